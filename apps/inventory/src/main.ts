import { runService } from "@shoal/runtime";
import { declaredSettings } from "./config.ts";
import { inventoryService } from "./service.ts";

await runService(inventoryService, declaredSettings);
