// The process of one fault proxy: listens on SHOAL_FAULTS_HOST and SHOAL_FAULTS_PORT, says when it is ready, leads to the
// instance that its launcher names, and ends on SIGTERM or when its launcher is gone.
import { startFaultProxy } from "@shoal/testkit/fault-proxy";
import { onParentGone } from "@shoal/tools-repo/parent";

const host = process.env["SHOAL_FAULTS_HOST"] ?? "127.0.0.1";
const port = Number(process.env["SHOAL_FAULTS_PORT"] ?? 0);

const portOf = (address: string) => Number(address.slice(address.lastIndexOf(":") + 1));

try {
  const proxy = await startFaultProxy({ host, port });
  process.on("message", (message) => {
    const { type, address } = message as { readonly type?: unknown; readonly address?: unknown };
    if (type === "target" && typeof address === "string") proxy.setTarget(address);
  });
  process.send?.({ type: "ready", grpcPort: portOf(proxy.address), adminPort: portOf(proxy.controlAddress) });
} catch (error) {
  const inUse = (error as { readonly code?: unknown }).code === "EADDRINUSE";
  const msg = inUse ? `port ${port} is in use by another program` : String(error);
  console.log(JSON.stringify({ level: "fatal", msg }));
  process.exit(1);
}
process.on("SIGTERM", () => process.exit(0));
onParentGone(() => process.exit(0));
