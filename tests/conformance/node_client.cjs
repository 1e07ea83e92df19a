// Drives an engine through toxiproxy-node-client: node node_client.cjs API UPSTREAM
const assert = require("node:assert");
const net = require("node:net");
const { Toxiproxy } = require("toxiproxy-node-client");

const [api, upstream] = process.argv.slice(2);

function roundTrip(listen) {
  const started = performance.now();
  const [host, port] = listen.split(":");
  return new Promise((resolve, reject) => {
    const socket = net.connect(Number(port), host, () => socket.write("ping"));
    socket.once("data", (data) => {
      assert.strictEqual(data.toString(), "ping");
      socket.destroy();
      resolve(performance.now() - started);
    });
    socket.once("error", reject);
  });
}

async function main() {
  const toxiproxy = new Toxiproxy(api);
  assert.match(JSON.parse(await toxiproxy.getVersion()).version, /./);
  const proxy = await toxiproxy.createProxy({ name: "node", listen: "localhost:0", upstream });
  assert.match(proxy.listen, /^127\.0\.0\.1:\d+$/);
  assert.strictEqual(proxy.enabled, true);
  await roundTrip(proxy.listen);

  const toxic = await proxy.addToxic({
    name: "late", type: "latency", stream: "downstream", toxicity: 1,
    attributes: { latency: 100, jitter: 0 },
  });
  assert.deepStrictEqual(toxic.toJson(), {
    name: "late", type: "latency", stream: "downstream", toxicity: 1,
    attributes: { latency: 100, jitter: 0 },
  });
  assert.ok((await roundTrip(proxy.listen)) >= 95);
  const updated = await toxic.update({ attributes: { latency: 5, jitter: 0 }, toxicity: 0.5 });
  assert.deepStrictEqual([updated.attributes.latency, updated.toxicity], [5, 0.5]);
  assert.strictEqual((await proxy.getToxic("late")).attributes.latency, 5);
  await toxic.remove();
  await assert.rejects(proxy.getToxic("late"));
  await assert.rejects(proxy.addToxic({ type: "magic" }));
  await assert.rejects(toxiproxy.createProxy({ name: "node", listen: "localhost:0", upstream }));

  const off = await proxy.update({ enabled: false });
  assert.strictEqual(off.enabled, false);
  await assert.rejects(roundTrip(proxy.listen), { code: "ECONNREFUSED" });
  await toxiproxy.reset();
  await roundTrip(proxy.listen);

  const populated = await toxiproxy.populate([
    { name: "one", listen: "127.0.0.1:0", upstream }, { name: "two", listen: "127.0.0.1:0", upstream },
  ]);
  assert.deepStrictEqual(Object.keys(populated), ["one", "two"]);
  assert.deepStrictEqual(Object.keys(await toxiproxy.getAll()), ["node", "one", "two"]);
  for (const one of Object.values(await toxiproxy.getAll())) await one.remove();
  assert.deepStrictEqual(await toxiproxy.getAll(), {});
  await assert.rejects(toxiproxy.get("node"));
  console.log("all of it works");
}

main().catch((error) => { console.error(error); process.exit(1); });
