// Adyen's Node library, asked in JSON lines: {id, operation, body, psp, key}.
const {
  CheckoutAPI,
  Client,
  EnvironmentEnum,
  RecurringAPI,
  hmacValidator: HmacValidator,
} = require("@adyen/api-library");
const { ObjectSerializer } = require("@adyen/api-library/lib/src/typings/checkout/objectSerializer");
const { version } = require("@adyen/api-library/package.json");
const readline = require("readline");

const client = new Client({ apiKey: "test", environment: EnvironmentEnum.TEST });
const checkout = new CheckoutAPI(client);
const payments = checkout.PaymentsApi;
const modifications = checkout.ModificationsApi;
const stored = checkout.RecurringApi;
const links = checkout.PaymentLinksApi;
const recurring = new RecurringAPI(client).RecurringApi;
recurring.baseUrl = `${process.argv[2]}/pal/servlet/Recurring/v68`;
for (const api of [payments, modifications, stored, links]) api.baseUrl = `${process.argv[2]}/v72`;

const operations = {
  payments: (body, psp, options) => payments.payments(body, options),
  // Its fields have dots on the wire and none in JavaScript: the model translates them.
  details: (body, psp, options) =>
    payments.paymentsDetails(ObjectSerializer.deserialize(body, "PaymentDetailsRequest"), options),
  capture: (body, psp, options) => modifications.captureAuthorisedPayment(psp, body, options),
  cancel: (body, psp, options) => modifications.cancelAuthorisedPaymentByPspReference(psp, body, options),
  "cancel by reference": (body, psp, options) => modifications.cancelAuthorisedPayment(body, options),
  refund: (body, psp, options) => modifications.refundCapturedPayment(psp, body, options),
  reverse: (body, psp, options) => modifications.refundOrCancelPayment(psp, body, options),
  store: (body, id, options) => stored.storedPaymentMethods(body, options),
  stored: (body) =>
    stored.getTokensForStoredPaymentDetails(body.shopperReference, body.merchantAccount),
  forget: async (body, id) => {
    await stored.deleteTokenForStoredPaymentDetails(id, body.shopperReference, body.merchantAccount);
    return {};
  },
  session: (body, id, options) => payments.sessions(body, options),
  "session result": (body, id) => payments.getResultOfPaymentSession(id, body.sessionResult),
  link: (body, id, options) => links.paymentLinks(body, options),
  "show link": (body, id) => links.getPaymentLink(id),
  "card details": (body, id, options) => payments.cardDetails(body, options),
  "payment methods": (body, id, options) => payments.paymentMethods(body, options),
  "recurring details": (body) => recurring.listRecurringDetails(body),
  "disable recurring": (body) => recurring.disable(body),
  "expire link": (body, id, options) => links.updatePaymentLink(id, body, options),
};

function answer(value) {
  process.stdout.write(JSON.stringify(value) + "\n");
}

async function work({ id, operation, body, psp, key, model }) {
  try {
    if (operation === "parse") {
      const typed = ObjectSerializer.deserialize(body, model);
      answer({ id, message: ObjectSerializer.serialize(typed, model) });
    } else if (operation === "hmac") {
      answer({ id, message: new HmacValidator().validateHMAC(body, key) });
    } else {
      const options = key ? { idempotencyKey: key } : {};
      answer({ id, message: await operations[operation](body, psp, options) });
    }
  } catch (error) {
    answer({
      id,
      error: {
        name: error.name === "Error" ? error.constructor.name : error.name,
        status: error.responseHeaders ? error.statusCode : 0,
        code: error.errorCode || "",
        headers: error.responseHeaders || {},
      },
    });
  }
}

answer({ sdk: `@adyen/api-library ${version}` });
readline.createInterface({ input: process.stdin }).on("line", (line) => work(JSON.parse(line)));
