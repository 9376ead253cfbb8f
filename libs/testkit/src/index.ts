export { temporaryDirectory } from "./temporary-directory.ts";
