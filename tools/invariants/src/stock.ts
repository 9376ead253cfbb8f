import { sql } from "kysely";
import { type Finding, Findings } from "./finding.ts";
import type { Snapshot } from "./snapshot.ts";

/** Whether the levels of each SKU are what its adjustments and its reservations make. */
export async function stockAddsUp(inventory: Snapshot): Promise<Finding> {
  const found = new Findings(
    "stock-adds-up",
    "per SKU: adjustments = available + held + sold, as its reservations say",
  );
  await found.lookedAtAll(inventory, "products", "adjustments", "reservation_lines");
  const { bigint, concat } = inventory;
  const sum = (column: string) => bigint(sql`sum(${sql.ref(column)})`);
  const linesThat = (status: string) =>
    bigint(sql`sum(case when r.status = ${sql.lit(status)} then l.quantity else 0 end)`);
  const levels = sql`
    select sku, ${sum("product")} as product, ${sum("available")} as available, ${sum("held")} as held,
      ${sum("sold")} as sold, ${sum("adjusted")} as adjusted, ${sum("line_held")} as line_held,
      ${sum("line_sold")} as line_sold
    from (
      select sku, 1 as product, available, held, sold, 0 as adjusted, 0 as line_held, 0 as line_sold from products
      union all
      select sku, 0, 0, 0, 0, ${bigint(sql`sum(delta)`)}, 0, 0 from adjustments group by sku
      union all
      select l.sku, 0, 0, 0, 0, 0, ${linesThat("held")}, ${linesThat("confirmed")}
      from reservation_lines l join reservations r on r.id = l.reservation_id group by l.sku
    ) parts group by sku`;
  const example = concat(
    sql`sku`,
    sql`': available '`,
    sql`available`,
    sql`', held '`,
    sql`held`,
    sql`', sold '`,
    sql`sold`,
    sql`'; adjusted by '`,
    sql`adjusted`,
    sql`', reservations hold '`,
    sql`line_held`,
    sql`' and sold '`,
    sql`line_sold`,
    sql`case product when 1 then '' else '; there is no such product' end`,
  );
  await found.violatedBy(
    inventory,
    example,
    sql`from (${levels}) levels
      where product <> 1 or adjusted <> available + held + sold or held <> line_held or sold <> line_sold`,
  );
  return found.finding;
}

/** Whether nothing is oversold. */
export async function stockNotNegative(inventory: Snapshot): Promise<Finding> {
  const found = new Findings("stock-not-negative", "available, held and sold are 0 or more");
  await found.lookedAtAll(inventory, "products");
  const { concat } = inventory;
  await found.violatedBy(
    inventory,
    concat(sql`sku`, sql`': available '`, sql`available`, sql`', held '`, sql`held`, sql`', sold '`, sql`sold`),
    sql`from products where available < 0 or held < 0 or sold < 0`,
  );
  return found.finding;
}
