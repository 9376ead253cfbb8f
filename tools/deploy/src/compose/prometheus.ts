import type { Services } from "@shoal/services";

/** Where Prometheus finds the metrics of every service and of the gateway: what its `scrape_config_files` names. */
export function prometheusYaml({ services, gateway }: Services): string {
  const targets = [...services, gateway].map(
    ({ name, grpcPort }) => `      - { names: [${name}], type: A, port: ${grpcPort + 1_000}, refresh_interval: 5s }\n`,
  );
  return `# Written by \`npm run deploy\` from what the services say of themselves in their package.json.
# Fetches /metrics of every instance from its admin port. However many instances a service has, DNS names them all.
scrape_configs:
  - job_name: shoal
    dns_sd_configs:
${targets.join("")}    relabel_configs:
      - { source_labels: [__meta_dns_name], target_label: service }
`;
}
