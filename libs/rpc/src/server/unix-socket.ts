import { once } from "node:events";
import { lstat, unlink } from "node:fs/promises";
import { connect } from "node:net";
import { dirname } from "node:path";

/** The most that the system's `sockaddr_un` takes. */
const maxPathBytes = process.platform === "linux" ? 107 : 103;

/**
 * Makes `path` free for a server: a socket that no server listens on any more, as one that was killed leaves behind, is
 * removed. Nothing else is: rejects with an `Error` that says what is there, with the `code` that the system has for it.
 * Of two servers that find the same dead socket in the same moment, the later one may take the path from the other.
 */
export async function freeSocketPath(path: string): Promise<void> {
  const bytes = Buffer.byteLength(path);
  if (bytes > maxPathBytes)
    throw refusal("ENAMETOOLONG", `the path has ${bytes} bytes; the system takes at most ${maxPathBytes}`, path);
  const there = await existing(path);
  if (there === undefined) {
    const directory = await existing(dirname(path));
    if (directory === undefined) throw refusal("ENOENT", `there is no folder ${dirname(path)}; make it first`, path);
    return;
  }
  if (!there.isSocket())
    throw refusal("EADDRINUSE", "there is a file which is no socket; remove it or choose another path", path);
  if (await hasServer(path)) throw refusal("EADDRINUSE", "another server listens there", path);
  await unlink(path);
}

async function existing(path: string) {
  try {
    return await lstat(path);
  } catch (error) {
    if (codeOf(error) === "ENOENT") return undefined;
    throw error;
  }
}

/** Anything but a refusal may come from a server, such as one that is too busy. */
async function hasServer(path: string): Promise<boolean> {
  const socket = connect(path);
  try {
    await once(socket, "connect");
    return true;
  } catch (error) {
    return codeOf(error) !== "ECONNREFUSED";
  } finally {
    socket.destroy();
  }
}

function refusal(code: string, why: string, path: string): Error {
  return Object.assign(new Error(`cannot listen on the Unix socket ${path}: ${why}`), { code });
}

function codeOf(error: unknown): unknown {
  return error instanceof Error && "code" in error ? error.code : undefined;
}
