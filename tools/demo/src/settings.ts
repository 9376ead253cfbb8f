import { checkedText, readSettings, type SettingsOf, target } from "@shoal/config";
import { parseRegistryUrl } from "@shoal/discovery";

/** The settings of the demo, which say where the system answers. With a registry the services are found in it unless set. */
function declaredSettings(hasRegistry: boolean) {
  const service = (name: string, port: number) => ({
    env: `SHOAL_DEMO_${name.toUpperCase()}_ADDRESS`,
    schema: target(name, hasRegistry ? `shoal:///${name}` : `127.0.0.1:${port}`),
    about: `Where the ${name} service answers: HOST:PORT, or shoal:///${name} with a registry.`,
  });
  return {
    registry: {
      env: "SHOAL_DEMO_REGISTRY",
      schema: checkedText("none", (value) => value === "none" || parseRegistryUrl(value)),
      about: "The registry to find the services in, such as local://127.0.0.1:50050, or none.",
    },
    user: service("user", 50_051),
    inventory: service("inventory", 50_052),
    order: service("order", 50_053),
  };
}

/** Their values. */
export type DemoSettings = SettingsOf<ReturnType<typeof declaredSettings>>;

/** Reads them from the environment. Throws a `SettingsError` with a line for each problem. */
export function demoSettings(env: NodeJS.ProcessEnv): DemoSettings {
  const { SHOAL_DEMO_REGISTRY: registry = "" } = env;
  return readSettings("SHOAL_DEMO_", declaredSettings(registry !== "" && registry !== "none"), env);
}
