import { once } from "node:events";
import { createServer } from "node:net";

/** Below the ports that systems give to who asks for any and to outgoing connections, 32,768 and up on Linux. */
const first = 10_000;
const last = 32_000;

/** Processes that look at the same time have numbers close to each other: they begin far from each other. */
let next = first + ((process.pid * 101) % (last - first));

/**
 * A port of 127.0.0.1 that nobody listens on, and that the system gives to nobody by chance: for a server that is stopped
 * and started again at the same port, where another program could have been given one that the system chose. A process is
 * given each port once, until it has been given all. Rejects with an `Error` when none is free.
 */
export async function lastingPort(): Promise<number> {
  for (let tried = first; tried < last; tried += 1) {
    const port = next;
    next = port + 1 < last ? port + 1 : first;
    if (await isFree(port)) return port;
  }
  throw new Error(`no port from ${first} to ${last - 1} of 127.0.0.1 is free`);
}

async function isFree(port: number): Promise<boolean> {
  const listener = createServer().listen(port, "127.0.0.1");
  try {
    await once(listener, "listening");
  } catch {
    return false;
  }
  listener.close();
  await once(listener, "close");
  return true;
}
