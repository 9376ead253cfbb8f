import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import type { User } from "../domain/user.ts";
import type { UserStore } from "../domain/users.ts";

const ada: User = {
  id: "0190a000-0000-7000-8000-000000000001",
  email: "Ada@example.com",
  displayName: "Ada Łovelace 🧮",
  status: "active",
  version: 1,
  createdAtMs: 1_700_000_000_123,
  updatedAtMs: 1_700_000_000_123,
};
const bob: User = { ...ada, id: "0190a000-0000-7000-8000-000000000002", email: "bob@example.com" };

/** What every {@link UserStore} does. `open` answers an empty one that lives as long as the test. */
export function userStoreContract(
  driver: string,
  open: (t: TestContext) => Promise<UserStore>,
  options: { readonly skip?: string },
): void {
  const it = (does: string, run: (store: UserStore) => Promise<void>) =>
    test(`${driver} user store ${does}`, options, async (t) => run(await open(t)));

  it("gives back what was put in", async (store) => {
    assert.equal(await store.insert(ada), true);
    assert.deepEqual(await store.find([ada.id, bob.id]), [ada]);
    assert.deepEqual(await store.find([]), []);
  });

  it("refuses an e-mail that another user has in another case", async (store) => {
    await store.insert(ada);
    assert.equal(await store.insert({ ...bob, email: "aDA@EXAMPLE.com" }), false);
    assert.deepEqual(await store.find([bob.id]), []);
  });

  it("takes one of two inserts of one e-mail at the same time", async (store) => {
    const taken = await Promise.all([store.insert(ada), store.insert({ ...bob, email: ada.email })]);
    assert.deepEqual(taken.sort(), [false, true]);
  });

  it("replaces a user at the expected version only", async (store) => {
    await store.insert(ada);
    const renamed = { ...ada, displayName: "Ada King", version: 2, updatedAtMs: ada.updatedAtMs + 5 };
    assert.equal(await store.replace(renamed, 1), "replaced");
    assert.equal(await store.replace({ ...renamed, displayName: "lost" }, 1), "stale");
    assert.equal(await store.replace({ ...bob, version: 2 }, 1), "stale");
    assert.deepEqual(await store.find([ada.id]), [renamed]);
  });

  it("refuses to replace an e-mail by one that is taken, and lets a user change the case of its own", async (store) => {
    await store.insert(ada);
    await store.insert(bob);
    assert.equal(await store.replace({ ...bob, email: "ADA@example.com", version: 2 }, 1), "email taken");
    assert.equal(await store.replace({ ...ada, email: "ada@example.com", version: 2 }, 1), "replaced");
  });

  it("deactivates once", async (store) => {
    await store.insert(ada);
    await store.deactivate(ada.id, 1_800_000_000_000);
    await store.deactivate(ada.id, 1_900_000_000_000);
    await store.deactivate(bob.id, 1_900_000_000_000);
    const expected = { ...ada, status: "inactive", version: 2, updatedAtMs: 1_800_000_000_000 };
    assert.deepEqual(await store.find([ada.id]), [expected]);
  });

  it("lists by id, page by page", async (store) => {
    await store.insert(bob);
    await store.insert(ada);
    assert.deepEqual(await store.list("", 1), [ada]);
    assert.deepEqual(await store.list(ada.id, 10), [bob]);
    assert.deepEqual(await store.list(bob.id, 10), []);
  });
}
