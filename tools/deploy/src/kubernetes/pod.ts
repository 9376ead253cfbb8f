import type { ServiceSpec } from "@shoal/services";

/** The image of a service. Its tag is that of a build at hand; kustomize's `images` sets another, and a registry. */
export function image({ name }: ServiceSpec): string {
  return `shoal/${name}:dev`;
}

/** The name of one of the settings of a service. */
export function variable({ name }: ServiceSpec, setting: string): string {
  return `SHOAL_${name.toUpperCase()}_${setting}`;
}

/** What a pod may do: nothing that the Pod Security Standard "restricted" forbids, and nothing with Kubernetes' own API. */
export const podSecurity = `\
      automountServiceAccountToken: false
      securityContext:
        runAsNonRoot: true
        # The image's user "node".
        runAsUser: 1000
        runAsGroup: 1000
        seccompProfile: { type: RuntimeDefault }
`;

/** What its container may do: write to /tmp, and nowhere else. */
export const containerSecurity = `\
          securityContext:
            allowPrivilegeEscalation: false
            readOnlyRootFilesystem: true
            capabilities: { drop: [ALL] }
          volumeMounts:
            - { name: tmp, mountPath: /tmp }
`;

/** What stands behind /tmp. */
export const volumes = `\
      volumes:
        - name: tmp
          emptyDir: { sizeLimit: 64Mi }
`;

/** Where the state is kept, from a key of the service's Secret. */
export function databaseUrl(service: ServiceSpec, key: "url" | "migration-url"): string {
  return `\
            - name: ${variable(service, "DATABASE_URL")}
              valueFrom: { secretKeyRef: { name: ${service.name}-database, key: ${key} } }
`;
}
