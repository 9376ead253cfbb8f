import { runService } from "@shoal/runtime";
import { declaredSettings } from "./config.ts";
import { gatewayService } from "./service.ts";

await runService(gatewayService, declaredSettings);
