import { runService } from "@shoal/runtime";
import { declaredSettings } from "./config.ts";
import { userService } from "./service.ts";

await runService(userService, declaredSettings);
