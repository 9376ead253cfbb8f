import { runService } from "@shoal/runtime";
import { declaredSettings } from "./config.ts";
import { orderService } from "./service.ts";

await runService(orderService, declaredSettings);
