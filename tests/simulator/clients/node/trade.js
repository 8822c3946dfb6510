// Usage: node trade.js PORT ACCOUNT
// Connects with the unmodified library, reads positions, quotes a stock, fills one order and cancels another.
// Prints one JSON object and ends with 0; ends with 1 and says what it waited for when something does not come.
"use strict";

const { EventName, IBApi } = require("@stoqey/ib");

const [port, account] = [Number(process.argv[2]), process.argv[3]];
const PATIENCE_MS = 15000;
const told = { positions: [], errors: [], statuses: {}, executions: [] };
const ib = new IBApi({ clientId: 41, host: "127.0.0.1", port });

let waitingFor = "a connection";
const watchdog = setTimeout(() => {
  console.error(`waited in vain for ${waitingFor}: ${JSON.stringify(told)}`);
  process.exit(1);
}, PATIENCE_MS);

function once(event, wanted, what) {
  waitingFor = what;
  return new Promise((resolve) => {
    const hear = (...values) => {
      if (wanted(...values)) {
        ib.removeListener(event, hear);
        resolve(values);
      }
    };
    ib.on(event, hear);
  });
}

const stock = { symbol: "SPY", secType: "STK", exchange: "SMART", currency: "USD" };

function order(orderId, terms) {
  return { orderId, account, tif: "DAY", transmit: true, ...terms };
}

async function main() {
  ib.on(EventName.error, (error, code, request) => told.errors.push([request, code, error.message]));
  ib.on(EventName.position, (name, contract, quantity) =>
    told.positions.push([name, contract.symbol, quantity]));
  ib.on(EventName.orderStatus, (id, status) => {
    (told.statuses[id] ??= []).push(status);
  });
  ib.on(EventName.execDetails, (request, contract, execution) =>
    told.executions.push([contract.symbol, execution.side, execution.shares, execution.orderRef]));

  ib.connect();
  const [first] = await once(EventName.nextValidId, () => true, "the next valid id");
  told.serverVersion = ib.serverVersion;

  ib.reqPositions();
  await once(EventName.positionEnd, () => true, "positions");

  const prices = {};
  ib.reqMktData(7001, stock, "", false, false);
  await once(EventName.tickPrice, (request, field, price) => {
    if (request === 7001) prices[field] = price;
    return prices[1] > 0 && prices[2] > 0;
  }, "a quote");
  ib.cancelMktData(7001);
  [told.bid, told.ask] = [prices[1], prices[2]];

  const [bought, resting] = [first, first + 1];
  ib.placeOrder(bought, stock, order(bought, {
    action: "BUY", totalQuantity: 3, orderType: "MKT", orderRef: "node filled",
  }));
  await once(EventName.commissionReport, (report) => report.commission > 0, "a commission");

  ib.placeOrder(resting, stock, order(resting, {
    action: "BUY", totalQuantity: 1, orderType: "LMT", lmtPrice: 400, orderRef: "node cancelled",
  }));
  const is = (id, ...names) => (number, status) => number === id && names.includes(status);
  await once(EventName.orderStatus, is(resting, "Submitted", "PreSubmitted"), "a working order");
  ib.cancelOrder(resting, "");
  await once(EventName.orderStatus, is(resting, "Cancelled"), "a cancelled order");

  clearTimeout(watchdog);
  ib.disconnect();
  console.log(JSON.stringify(told));
}

main();
