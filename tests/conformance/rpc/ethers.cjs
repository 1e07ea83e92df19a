// ethers, asked in JSON lines: {id, operation, body}. Amounts are in wei, as texts.
const { join } = require("node:path");
const { createInterface } = require("node:readline");

const [url, folder] = process.argv.slice(2);
const { version } = require(join(folder, "package.json"));
const { Contract, FallbackProvider, JsonRpcProvider, Wallet } = require(folder);

const options = { pollingInterval: 100, cacheTimeout: -1 };
const connect = (to) => new JsonRpcProvider(to, undefined, options);
const provider = connect(url);
const abi = [
  "function balanceOf(address) view returns (uint256)",
  "function symbol() view returns (string)",
  "function decimals() view returns (uint8)",
  "function transfer(address,uint256) returns (bool)",
  "event Transfer(address indexed from, address indexed to, uint256 value)",
];

const shown = (receipt) => ({ status: receipt.status, block: receipt.blockNumber });

const operations = {
  balance: async ({ of }) => String(await provider.getBalance(of)),
  nonce: ({ of, tag }) => provider.getTransactionCount(of, tag),
  send: async ({ key, to, value }) => {
    const sent = await new Wallet(key, provider).sendTransaction({ to, value: BigInt(value) });
    return sent.hash;
  },
  raw: async ({ raw }) => (await provider.broadcastTransaction(raw)).hash,
  wait: async ({ hash, confirmations }) =>
    shown(await provider.waitForTransaction(hash, confirmations, 30_000)),
  shown: async ({ hash }) => {
    const sent = await provider.getTransaction(hash);
    return { from: sent.from, to: sent.to, value: String(sent.value), nonce: sent.nonce };
  },
  token: async ({ of, token }) => {
    const contract = new Contract(token, abi, provider);
    const all = [contract.balanceOf(of), contract.symbol(), contract.decimals()];
    const [balance, symbol, decimals] = await Promise.all(all);
    return { balance: String(balance), symbol, decimals: Number(decimals) };
  },
  "send token": async ({ key, to, value, token }) => {
    const contract = new Contract(token, abi, new Wallet(key, provider));
    return (await contract.transfer(to, BigInt(value))).hash;
  },
  received: async ({ to, token }) => {
    const contract = new Contract(token, abi, provider);
    const found = await contract.queryFilter(contract.filters.Transfer(null, to), 0);
    return found.map((each) => String(each.args.value));
  },
  // What several nodes make of a balance, so many times; "" for a read that gave none.
  quorum: async ({ of, urls, quorum, times }) => {
    const nodes = urls.map((each) => ({ provider: connect(each), priority: 1, weight: 1 }));
    const all = new FallbackProvider(nodes, undefined, quorum === 0 ? {} : { quorum });
    const read = [];
    for (let time = 0; time < times; time++) {
      read.push(await all.getBalance(of).then(String, () => ""));
    }
    return read;
  },
};

function answer(value) {
  process.stdout.write(JSON.stringify(value) + "\n");
}

async function work({ id, operation, body }) {
  try {
    answer({ id, message: await operations[operation](body) });
  } catch (error) {
    const codes = [error.shortMessage ?? "", error.info?.error?.message ?? error.message];
    answer({ id, error: { name: error.code ?? error.name, codes } });
  }
}

answer({ sdk: `ethers ${version}` });
createInterface({ input: process.stdin })
  .on("line", (line) => work(JSON.parse(line)))
  .on("close", () => process.exit());
