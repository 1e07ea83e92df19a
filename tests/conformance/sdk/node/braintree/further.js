// What Braintree's Node SDK does beyond a payment, and what it does on its own.
const assert = require("node:assert/strict");
const { booked, code, control, current, failing, paid, pay, search } = require("./shop.js");

const last = async () => (await control("exchanges", { last: 1 }))[0];
const vault = () => current.gateway;

const scenarios = {
  customer: async () => {
    const made = await vault().customer.create({ firstName: "Ada", email: "a@b.example" });
    const { id } = made.customer;
    const changed = await vault().customer.update(id, { firstName: "Grace" });
    assert.equal(changed.customer.firstName, "Grace");
    const found = await vault().customer.find(id);
    assert.deepEqual([found.firstName, found.email], ["Grace", "a@b.example"]);
    assert.equal(code(await vault().customer.create({ id })), "91609");
    await vault().customer.delete(id);
    const gone = await failing(() => vault().customer.find(id));
    assert.equal(gone.type, "notFoundError");
    return "create, update, find; notFoundError for a deleted one";
  },
  "stored card": async () => {
    const customerId = (await vault().customer.create({ firstName: "Ada" })).customer.id;
    const wanted = { customerId, paymentMethodNonce: "fake-valid-visa-nonce" };
    const { paymentMethod: card } = await vault().paymentMethod.create(wanted);
    assert.equal(card.constructor.name, "CreditCard");
    assert.equal((await vault().paymentMethod.find(card.token)).last4, card.last4);
    const { paymentMethods } = await vault().customer.find(customerId);
    assert.deepEqual(paymentMethods.map((each) => each.token), [card.token]);
    const nonce = { paymentMethodNonce: undefined };
    const sale = await paid({ ...nonce, paymentMethodToken: card.token });
    assert.deepEqual([sale.creditCard.token, sale.customer.id], [card.token, customerId]);
    await paid({ ...nonce, customerId });
    const refused = await vault().paymentMethod.create({
      customerId,
      paymentMethodNonce: "fake-processor-declined-visa-nonce",
      options: { verifyCard: true },
    });
    assert.equal(refused.success, false);
    assert.equal(refused.verification.processorResponseCode, "2000");
    // The SDK's gateway for credit cards has paths and names of its own for the same card.
    const number = { number: "4111111111111111", expirationDate: "03/2030" };
    const { creditCard: other } = await vault().creditCard.create({ customerId, ...number });
    assert.equal((await vault().creditCard.find(other.token)).bin, "411111");
    const update = await vault().creditCard.update(other.token, { cardholderName: "Ada" });
    assert.equal(update.creditCard.cardholderName, "Ada");
    await vault().creditCard.delete(other.token);
    const keeps = { options: { storeInVaultOnSuccess: true }, customer: { firstName: "Grace" } };
    const stored = await paid(keeps);
    assert.equal((await vault().customer.find(stored.customer.id)).firstName, "Grace");
    await paid({ ...nonce, paymentMethodToken: stored.creditCard.token });
    await vault().paymentMethod.delete(card.token);
    const gone = await failing(() => vault().paymentMethod.find(card.token));
    assert.equal(gone.type, "notFoundError");
    assert.equal(code(await pay({ ...nonce, paymentMethodToken: card.token })), "91518");
    assert.deepEqual(await booked("authorised"), [1000, 1000, 1000, 1000]);
    return "a token pays, or its customer's id; a sale keeps its card; 91518 once it is deleted";
  },
  "front end": async () => {
    const said = { id: current.order, email: `${current.order}@shop.example` };
    const wanted = { ...said, paymentMethodNonce: "fake-valid-nonce" };
    const owner = (await vault().customer.create(wanted)).customer;
    const [card] = owner.paymentMethods;
    assert.ok((await vault().clientToken.generate({ customerId: owner.id })).clientToken);
    const { nonce } = (await vault().paymentMethodNonce.create(card.token)).paymentMethodNonce;
    const shown = await vault().paymentMethodNonce.find(nonce);
    assert.equal(shown.details.lastFour, card.last4);
    const sale = await paid({ paymentMethodNonce: nonce, billing: { postalCode: "1010" } });
    assert.deepEqual([sale.creditCard.token, sale.billing.postalCode], [card.token, "1010"]);
    const authenticated = "fake-three-d-secure-visa-full-authentication-nonce";
    const { threeDSecureInfo } = await vault().paymentMethodNonce.find(authenticated);
    assert.equal(threeDSecureInfo.liabilityShifted, true);
    const secure = await paid({ paymentMethodNonce: authenticated });
    assert.equal(secure.threeDSecureInfo.status, "authenticate_successful");
    const gone = await failing(() => vault().paymentMethodNonce.find("nobody"));
    assert.equal(gone.type, "notFoundError");
    for (const term of [
      (search) => search.email().is(said.email),
      (search) => search.paymentMethodToken().is(card.token),
    ])
      assert.deepEqual(await search(term, "customer"), [owner.id]);
    assert.deepEqual(await booked("authorised"), [1000, 1000]);
    return "client tokens; a stored card's nonce pays; 3-D Secure of a nonce; customer search";
  },
  lists: async () => {
    const made = [];
    for (let sales = 0; sales < 51; sales += 1) made.push((await paid()).id);
    const ids = await search((term) => term.orderId().is(current.order));
    assert.deepEqual(ids.sort(), made.sort());
    const wanted = { paymentMethodNonce: "fake-valid-nonce" };
    const { id } = (await vault().customer.create(wanted)).customer;
    const sale = await paid({ paymentMethodNonce: undefined, customerId: id });
    assert.deepEqual(await search((term) => term.customerId().is(id)), [sale.id]);
    const recent = (term) => {
      term.orderId().is(current.order);
      term.createdAt().min(new Date(Date.now() - 60_000));
    };
    assert.equal((await search(recent)).length, 52);
    const later = (term) => term.createdAt().min(new Date(Date.now() + 60_000));
    assert.deepEqual(await search(later), []);
    const unserved = await failing(() => search((term) => term.billingCompany().is("x")));
    assert.equal(unserved.type, "notFoundError");
    made.push(sale.id);
    // A page has 50.
    const read = await new Promise((done, fail) => {
      const all = [];
      const stream = vault().transaction.search((term) => term.orderId().is(current.order));
      stream.on("data", (each) => all.push(each.id));
      stream.on("error", fail);
      stream.on("end", () => done(all));
    });
    assert.deepEqual(read.sort(), made.sort());
    assert.deepEqual(await search((term) => term.orderId().is("nobody's")), []);
    return "a search reads ids first, then each page of transactions";
  },
  GraphQL: async () => {
    const client = vault().graphQLClient;
    const ask = (what, shows, input) =>
      client.query(`mutation ($input: Input!) { ${what}(input: $input) { ${shows} } }`, { input });
    const charge = async (what, paymentMethodId = "fake-valid-nonce", amount = "10.00") => {
      const transaction = { amount, orderId: current.order };
      const shows = "transaction { id legacyId status }";
      return ask(what, shows, { paymentMethodId, transaction });
    };
    const held = (await charge("authorizePaymentMethod")).data.authorizePaymentMethod.transaction;
    const part = { transactionId: held.id, transaction: { amount: "6.00" } };
    const taken = await ask("captureTransaction", "transaction { status }", part);
    const { status } = taken.data.captureTransaction.transaction;
    assert.equal(status, "SUBMITTED_FOR_SETTLEMENT");
    await vault().testing.settle(held.legacyId);
    const some = { transactionId: held.id, refund: { amount: "2.00" } };
    const back = await ask("refundTransaction", "refund { id }", some);
    assert.ok(back.data.refundTransaction.refund.id);
    const sale = (await charge("chargePaymentMethod")).data.chargePaymentMethod.transaction;
    const asked = { transactionId: sale.id };
    const undone = await ask("reverseTransaction", "reversal { __typename }", asked);
    assert.equal(undone.data.reverseTransaction.reversal.__typename, "Transaction");
    const card = "fake-processor-declined-visa-nonce";
    const declined = (await charge("chargePaymentMethod", card)).data.chargePaymentMethod;
    assert.equal(declined.transaction.status, "PROCESSOR_DECLINED");
    const refused = await charge("chargePaymentMethod", undefined, "-1");
    const [{ extensions }] = refused.errors;
    const gone = await failing(() => client.query('{ node(id: "dHJhbnNhY3Rpb25feA==") { id } }'));
    assert.equal(gone.type, "notFoundError");
    const read = await client.query("query ($id: ID!) { node(id: $id) { id } }", { id: held.id });
    assert.equal(read.data.node.id, held.id);
    const nodes = "transactions(input: $input) { edges { node { id } } }";
    const search = `query ($input: TransactionSearchInput!) { search { ${nodes} } }`;
    const wanted = { orderId: { is: current.order }, status: { in: ["SETTLED", "VOIDED"] } };
    const { edges } = (await client.query(search, { input: wanted })).data.search.transactions;
    const ids = edges.map(({ node }) => node.id);
    assert.deepEqual(new Set(ids), new Set([sale.id, held.id]));
    const given = { paymentMethodId: "fake-valid-nonce" };
    const kept = await ask("vaultPaymentMethod", "paymentMethod { id }", given);
    const vaulted = kept.data.vaultPaymentMethod.paymentMethod.id;
    const again = (await charge("chargePaymentMethod", vaulted, "3.00")).data.chargePaymentMethod;
    assert.equal(again.transaction.status, "SUBMITTED_FOR_SETTLEMENT");
    const removed = { paymentMethodId: vaulted };
    await ask("deletePaymentMethodFromVault", "clientMutationId", removed);
    assert.deepEqual(await booked("captured"), [600, 1000, 300]);
    return (
      `a decline is a status; ${extensions.legacyCode} is an error beside data; ${gone.type}; ` +
      "a search by order id finds what was charged; a vaulted card is charged and deleted"
    );
  },
  errors: async () => {
    const seen = [];
    for (const [status, type] of [
      [401, "authenticationError"],
      [403, "authorizationError"],
      [404, "notFoundError"],
      [429, "tooManyRequestsError"],
      [500, "serverError"],
      [502, "unexpectedError"],
      [503, "serviceUnavailableError"],
      [504, "gatewayTimeoutError"],
    ]) {
      await control("inject", { kind: "http_error", status });
      const error = await failing(() => pay());
      await control("heal", { kind: "http_error" });
      assert.equal(error.type, type, String(status));
      seen.push(`${status} ${type}`);
    }
    await control("inject", { kind: "malformed" });
    const broken = await failing(() => pay());
    return `${seen.join(", ")}; broken XML is ${broken.type ?? broken.constructor.name}`;
  },
  headers: async () => {
    await pay();
    const { headers, target } = await last();
    assert.equal(target, "/merchants/m/transactions");
    assert.match(headers.authorization, /^Basic /);
    assert.equal(headers["idempotency-key"], undefined);
    return `X-ApiVersion ${headers["x-apiversion"]}; names itself ${headers["user-agent"]}`;
  },
};

module.exports = scenarios;
