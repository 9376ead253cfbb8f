import type { ServiceSpec } from "@shoal/services";
import { containerSecurity, databaseUrl, image, podSecurity, variable, volumes } from "./pod.ts";

/** What brings the schema of a service up to date, by a database user who may: the same image, which ends when that is done. */
export function migrationJob(service: ServiceSpec): string {
  const { name } = service;
  return `\
apiVersion: batch/v1
kind: Job
metadata:
  name: ${name}-migration
  labels: { app.kubernetes.io/name: ${name}-migration, app.kubernetes.io/component: migration }
spec:
  backoffLimit: 6
  # A Job cannot be given another image. Ten minutes later it is gone, and the next release is applied as a new one.
  ttlSecondsAfterFinished: 600
  template:
    metadata:
      labels: { app.kubernetes.io/name: ${name}-migration, app.kubernetes.io/component: migration }
    spec:
      restartPolicy: Never
      serviceAccountName: ${name}
${podSecurity}\
      enableServiceLinks: false
      containers:
        - name: migration
          image: ${image(service)}
          env:
            - { name: ${variable(service, "MIGRATIONS")}, value: only }
${databaseUrl(service, "migration-url")}\
          resources:
            requests: { cpu: 100m, memory: 256Mi }
            limits: { memory: 256Mi }
${containerSecurity}${volumes}`;
}
