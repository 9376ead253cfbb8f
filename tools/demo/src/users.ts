import { mapConcurrent } from "@shoal/concurrency";
import type { UserService } from "@shoal/contracts/user/v1/user_service";
import type { Client } from "@shoal/rpc";
import { each } from "./each.ts";

const firstNames = ["Ada", "Barbara", "Edsger", "Frances", "Grace", "Ken", "Leslie", "Margaret", "Niklaus", "Radia"];
const lastNames = ["Berg", "Costa", "Dubois", "Eriksen", "Ferrari", "Haas", "Ivanova", "Jansen", "Kowalski", "Murphy"];

/** Users that are created at once. */
const concurrency = 16;

/** Creates `count` users whose e-mails no other run has; answers their ids. */
export async function createUsers(
  client: Client<typeof UserService>,
  count: number,
  runId: string,
  signal: AbortSignal,
): Promise<readonly string[]> {
  const create = async (number: number) => {
    const first = firstNames[number % firstNames.length];
    const last = lastNames[Math.floor(number / firstNames.length) % lastNames.length];
    const request = { email: `user-${number}.${runId}@example.com`, displayName: `${first} ${last}` };
    return (await client.createUser(request, { signal })).user?.id ?? "";
  };
  const ids: string[] = [];
  for await (const id of mapConcurrent(each(Array(count).keys()), concurrency, create)) ids.push(id);
  return ids;
}
