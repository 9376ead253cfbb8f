export {
  address,
  checkedText,
  duration,
  host,
  integer,
  logLevel,
  oneOf,
  onOrOff,
  parsed,
  port,
  target,
  text,
} from "./kinds.ts";
export { readSettings, type Setting, SettingsError, type SettingsOf } from "./settings.ts";
