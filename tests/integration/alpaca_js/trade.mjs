// Alpaca's npm package against a gateway: `node trade.mjs http://127.0.0.1:8000`. Prints what it saw as one JSON object;
// whoever started it judges. Credentials come from ALPACA_KEY and ALPACA_SECRET.
import { marketData, streaming, trading } from "@alpacahq/alpaca-trade-api";

const at = `${process.argv[2]}/alpaca`;
const credentials = { keyId: process.env.ALPACA_KEY, secret: process.env.ALPACA_SECRET };
const keys = { "APCA-API-KEY-ID": credentials.keyId, "APCA-API-SECRET-KEY": credentials.secret };
const told = new trading.Configuration({ basePath: at, apiKey: (name) => keys[name] });
const orders = new trading.OrdersApi(told);
const positions = new trading.PositionsApi(told);
const seen = { updates: [], quotes: [] };

const send = (more) =>
  orders.postOrder({ postOrderRequest: { symbol: "AAPL", side: "buy", timeInForce: "gtc", ...more } });
const until = async (what, ask) => {
  for (const end = Date.now() + 30_000; Date.now() < end; await new Promise((go) => setTimeout(go, 50))) {
    const found = await ask();
    if (found) return found;
  }
  throw new Error(`waited for ${what}`);
};
const refusal = async (call) => {
  try {
    await call();
  } catch (error) {
    return { status: error.response?.status, body: await error.response?.json() };
  }
  throw new Error("it was not refused");
};

const stream = new streaming.TradingStream({ credentials, url: `${process.argv[2].replace("http", "ws")}/alpaca/stream` });
stream.onTradeUpdate((update) => seen.updates.push([update.event, update.order?.clientOrderId ?? update.order?.client_order_id]));
stream.subscribeTradeUpdates();
stream.connect();
if (!(await stream.waitForAuthentication(20_000))) throw new Error("the stream lets nobody in");

seen.account = await new trading.AccountsApi(told).getAccount();
seen.clock = await new trading.ClockApi(told).legacyClock();
seen.asset = await new trading.AssetsApi(told).getV2AssetsSymbolOrAssetId({ symbolOrAssetId: "AAPL" });
seen.quote = await new marketData.StockApi(new marketData.Configuration({ basePath: at, apiKey: (name) => keys[name] })).stockLatestQuoteSingle({ symbol: "AAPL" });

const bought = await send({ type: "market", qty: "10", clientOrderId: "js-market" });
seen.filled = await until("the fill", async () => {
  const order = await orders.getOrderByOrderID({ orderId: bought.id });
  return order.status === "filled" && order;
});
const resting = await send({ type: "limit", qty: "5", limitPrice: "150", clientOrderId: "js-limit" });
seen.replaced = await orders.patchOrderByOrderId({ orderId: resting.id, patchOrderRequest: { qty: "7", limitPrice: "151" } });
seen.byName = await orders.getOrderByClientOrderId({ clientOrderId: "js-limit" });
seen.open = await orders.getAllOrders({ status: "open" });
await orders.deleteOrderByOrderID({ orderId: seen.replaced.id });
seen.canceled = await until("the cancel", async () => {
  const order = await orders.getOrderByOrderID({ orderId: seen.replaced.id });
  return order.status === "canceled" && order;
});
seen.bracket = await send({
  type: "limit", qty: "2", limitPrice: "150", orderClass: "bracket", clientOrderId: "js-bracket",
  takeProfit: { limitPrice: "200" }, stopLoss: { stopPrice: "140" },
});
seen.allCanceled = await orders.deleteAllOrders();
seen.refused = await refusal(() => send({ type: "limit", qty: "1", limitPrice: "150.001" }));
seen.missing = await refusal(() => orders.getOrderByOrderID({ orderId: "00000000-0000-4000-8000-000000000000" }));

seen.position = await positions.getOpenPosition({ symbolOrAssetId: "AAPL" });
seen.closing = await positions.deleteOpenPosition({ symbolOrAssetId: "AAPL" });
seen.flat = await until("a flat account", async () => (await positions.getAllOpenPositions()).length === 0);
await until("the updates", () => seen.updates.filter(([event]) => event === "fill").length >= 2);
stream.disconnect();
console.log(JSON.stringify(seen));
process.exit(0);
