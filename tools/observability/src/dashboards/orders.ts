import type { Dashboard } from "./dashboard.ts";
import { orZero, quantiles, rate, served } from "./queries.ts";

const method = (name: string) => `service="order", rpc_method="shoal.order.v1.OrderService/${name}"`;
const total = (outcome: string) => `sum(increase(shoal_orders_total{outcome="${outcome}"}[$__range])) or vector(0)`;

export const orders: Dashboard = {
  name: "orders",
  title: "Shoal: orders",
  says: "What becomes of orders, and of the stock that is held for them.",
  variables: [],
  rows: [
    {
      title: "In the time that is shown",
      panels: [
        {
          kind: "figures",
          title: "Orders",
          says: "Each is placed once and ends once. Those that are refused never were.",
          unit: "short",
          width: 16,
          queries: {
            placed: total("placed"),
            confirmed: total("confirmed"),
            cancelled: total("cancelled"),
            expired: total("expired"),
            refused: total("refused"),
          },
        },
        {
          kind: "figures",
          title: "Holds that are open",
          says: "Now. Overdue ones are past their time: the sweeper should end them within seconds.",
          unit: "short",
          queries: {
            open: 'max(shoal_inventory_open_holds{overdue="false"})',
            overdue: 'max(shoal_inventory_open_holds{overdue="true"})',
          },
        },
      ],
    },
    {
      title: "Orders",
      panels: [
        {
          kind: "lines",
          title: "Orders a second",
          says: "By what became of them.",
          unit: "cps",
          queries: { "{{outcome}}": rate("outcome", "shoal_orders_total", "") },
        },
        {
          kind: "lines",
          title: "Refused for good, a second",
          says: "By reason: whoever asks again gets the same answer.",
          unit: "cps",
          queries: {
            "{{reason}}": orZero(rate("service, reason", "shoal_orders_total", 'outcome="refused"'), 'service="order"'),
          },
        },
        {
          kind: "lines",
          title: "Calls a second that are not OK",
          says: "By method and code. UNAVAILABLE and RESOURCE_EXHAUSTED may be tried again.",
          unit: "cps",
          queries: {
            "{{rpc_method}} {{rpc_status_code}}": orZero(
              served("service, rpc_method, rpc_status_code", 'service="order", rpc_status_code!="OK"'),
              'service="order"',
            ),
          },
        },
        {
          kind: "lines",
          title: "CreateOrder takes",
          says: "Until the buyer has an answer.",
          unit: "s",
          queries: quantiles("rpc_server_call_duration_seconds", method("CreateOrder")),
        },
        {
          kind: "lines",
          title: "ConfirmOrder takes",
          says: "Until the stock is sold and the order says so.",
          unit: "s",
          queries: quantiles("rpc_server_call_duration_seconds", method("ConfirmOrder")),
        },
        {
          kind: "lines",
          title: "Watchers",
          says: "Open streams that wait for changes of orders and stock.",
          unit: "short",
          queries: {
            "{{rpc_method}}": 'sum by (rpc_method) (shoal_rpc_server_active_calls{rpc_method=~".*/Watch.*"})',
          },
        },
      ],
    },
    {
      title: "Stock",
      panels: [
        {
          kind: "lines",
          title: "Holds a second",
          says: "Made, confirmed, released, expired. Many that expire: buyers give up, or confirming fails.",
          unit: "cps",
          queries: { "{{outcome}}": rate("outcome", "shoal_inventory_holds_total", "") },
        },
        {
          kind: "lines",
          title: "Open holds",
          says: "As many as there are placed orders, when nothing is wrong.",
          unit: "short",
          queries: { "overdue: {{overdue}}": "max by (overdue) (shoal_inventory_open_holds)" },
        },
        {
          kind: "lines",
          title: "Watchers see news after",
          says: "For how long events have been waiting to be published.",
          unit: "s",
          limits: { bad: 30 },
          queries: { "{{service}}": "max by (service) (shoal_outbox_lag_seconds)" },
        },
      ],
    },
  ],
};
