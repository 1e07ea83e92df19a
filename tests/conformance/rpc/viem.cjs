// viem, asked in JSON lines: {id, operation, body}. Amounts are in wei, as texts.
const { join } = require("node:path");
const { createInterface } = require("node:readline");

const [url, folder] = process.argv.slice(2);
const { version } = require(join(folder, "package.json"));
const { createPublicClient, createWalletClient, defineChain, http, parseAbi } = require(folder);
const { privateKeyToAccount } = require(join(folder, "_cjs/accounts/index.js"));

const chain = defineChain({
  id: 31337,
  name: "test",
  nativeCurrency: { decimals: 18, name: "Ether", symbol: "ETH" },
  rpcUrls: { default: { http: [url] } },
});
const client = createPublicClient({ chain, transport: http(), pollingInterval: 100, cacheTime: 0 });
const wallet = (key) =>
  createWalletClient({ account: privateKeyToAccount(key), chain, transport: http() });
const abi = parseAbi([
  "function balanceOf(address) view returns (uint256)",
  "function symbol() view returns (string)",
  "function decimals() view returns (uint8)",
  "function transfer(address,uint256) returns (bool)",
  "event Transfer(address indexed from, address indexed to, uint256 value)",
]);

const operations = {
  balance: async ({ of }) => String(await client.getBalance({ address: of })),
  nonce: ({ of, tag }) => client.getTransactionCount({ address: of, blockTag: tag }),
  send: ({ key, to, value }) => wallet(key).sendTransaction({ to, value: BigInt(value) }),
  raw: ({ raw }) => client.sendRawTransaction({ serializedTransaction: raw }),
  wait: async ({ hash, confirmations }) => {
    const wanted = { hash, confirmations, timeout: 30_000 };
    const receipt = await client.waitForTransactionReceipt(wanted);
    const status = receipt.status === "success" ? 1 : 0;
    return { status, block: Number(receipt.blockNumber) };
  },
  shown: async ({ hash }) => {
    const sent = await client.getTransaction({ hash });
    return { from: sent.from, to: sent.to, value: String(sent.value), nonce: sent.nonce };
  },
  token: async ({ of, token }) => {
    const ask = (functionName, args = []) =>
      client.readContract({ address: token, abi, functionName, args });
    const all = [ask("balanceOf", [of]), ask("symbol"), ask("decimals")];
    const [balance, symbol, decimals] = await Promise.all(all);
    return { balance: String(balance), symbol, decimals };
  },
  "send token": ({ key, to, value, token }) =>
    wallet(key).writeContract({
      address: token,
      abi,
      functionName: "transfer",
      args: [to, BigInt(value)],
    }),
  received: async ({ to, token }) => {
    const wanted = { address: token, abi, eventName: "Transfer", args: { to }, fromBlock: 0n };
    const found = await client.getContractEvents(wanted);
    return found.map((each) => String(each.args.value));
  },
};

function answer(value) {
  process.stdout.write(JSON.stringify(value) + "\n");
}

async function work({ id, operation, body }) {
  try {
    answer({ id, message: await operations[operation](body) });
  } catch (error) {
    const deepest = error.walk?.() ?? error;
    answer({ id, error: { name: error.name, codes: [error.shortMessage ?? "", deepest.details ?? deepest.message] } });
  }
}

answer({ sdk: `viem ${version}` });
createInterface({ input: process.stdin })
  .on("line", (line) => work(JSON.parse(line)))
  .on("close", () => process.exit());
