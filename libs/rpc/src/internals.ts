// For benches, which measure these parts by themselves. It is not API: it changes without notice.
export { compose } from "./middleware.ts";
export { type MethodPolicy, policiesOf } from "./policy.ts";
export { ServedCall } from "./server/served-call.ts";
export type { ServerStream } from "./server/server-stream.ts";
