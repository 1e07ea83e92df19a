// What Stripe's Java SDK does beyond a payment, and what it does on its own.

import com.google.gson.JsonArray;
import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import com.stripe.Stripe;
import com.stripe.StripeClient;
import com.stripe.exception.ApiException;
import com.stripe.exception.AuthenticationException;
import com.stripe.exception.CardException;
import com.stripe.exception.InvalidRequestException;
import com.stripe.exception.PermissionException;
import com.stripe.exception.RateLimitException;
import com.stripe.exception.SignatureVerificationException;
import com.stripe.exception.StripeException;
import com.stripe.model.Customer;
import com.stripe.model.Dispute;
import com.stripe.model.EphemeralKey;
import com.stripe.model.SetupIntent;
import com.stripe.net.RequestOptions;
import com.stripe.net.Webhook;
import com.stripe.param.ConfirmationTokenCreateParams;
import com.stripe.param.CustomerCreateParams;
import com.stripe.param.CustomerListParams;
import com.stripe.param.CustomerSearchParams;
import com.stripe.param.CustomerUpdateParams;
import com.stripe.param.CustomerSessionCreateParams;
import com.stripe.param.DisputeListParams;
import com.stripe.param.DisputeUpdateParams;
import com.stripe.param.EphemeralKeyCreateParams;
import com.stripe.param.PaymentIntentConfirmParams;
import com.stripe.param.PaymentIntentCreateParams;
import com.stripe.param.PaymentMethodCreateParams;
import com.stripe.param.PriceCreateParams;
import com.stripe.param.PriceListParams;
import com.stripe.param.PriceUpdateParams;
import com.stripe.param.ProductCreateParams;
import com.stripe.param.RefundCreateParams;
import com.stripe.param.RefundUpdateParams;
import com.stripe.param.SetupIntentCreateParams;
import com.stripe.param.checkout.SessionCreateParams;
import com.stripe.param.checkout.SessionRetrieveParams;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

public class Further {
  static String email() {
    return Scenarios.order + "@shop.example";
  }

  static Customer newCustomer() throws StripeException {
    var asked = CustomerCreateParams.builder().setEmail(email()).build();
    return Scenarios.STRIPE.v1().customers().create(asked);
  }

  static CustomerListParams.Builder customers() {
    return CustomerListParams.builder().setEmail(email());
  }

  static List<Customer> listed(CustomerListParams.Builder asked) throws StripeException {
    return Scenarios.STRIPE.v1().customers().list(asked.build()).getData();
  }

  static List<String> ids(Iterable<Customer> found) {
    List<String> names = new ArrayList<>();
    found.forEach(each -> names.add(each.getId()));
    return names;
  }

  static JsonArray last(int number) throws Exception {
    return Scenarios.control("exchanges", Map.of("last", number)).getAsJsonArray();
  }

  static String header(JsonElement exchange, String name) {
    var value = exchange.getAsJsonObject().getAsJsonObject("headers").get(name);
    return value == null ? "" : value.getAsString();
  }

  static String visited(String page) throws Exception {
    var visit = HttpRequest.newBuilder(URI.create(page)).version(HttpClient.Version.HTTP_1_1);
    var answer = Scenarios.HTTP.send(visit.build(), HttpResponse.BodyHandlers.ofString());
    return answer.headers().firstValue("location").orElse("");
  }

  static void inject(Map<String, ?> fault) throws Exception {
    Scenarios.control("inject", fault);
  }

  static void heal(String kind) throws Exception {
    Scenarios.control("heal", Map.of("kind", kind));
  }

  static SetupIntent setUp(String customer, String card) throws StripeException {
    var asked =
        SetupIntentCreateParams.builder()
            .setCustomer(customer)
            .setPaymentMethod(card)
            .setConfirm(true)
            .setReturnUrl("https://shop.example/return")
            .addExpand("payment_method");
    return Scenarios.STRIPE.v1().setupIntents().create(asked.build());
  }

  static String customer() throws Exception {
    var all = Scenarios.STRIPE.v1().customers();
    var asked =
        CustomerCreateParams.builder().setEmail(email()).setName("Ada").putMetadata("tier", "gold");
    var made = all.create(asked.build());
    var change = CustomerUpdateParams.builder().setName("Ada L.").putMetadata("a", "b").build();
    Scenarios.equal(
        all.update(made.getId(), change).getMetadata(), Map.of("tier", "gold", "a", "b"));
    Scenarios.equal(listed(customers()).get(0).getName(), "Ada L.");
    var query = CustomerSearchParams.builder().setQuery("email:\"" + email() + "\"").build();
    Scenarios.equal(ids(all.search(query).getData()), List.of(made.getId()));
    Scenarios.equal(all.delete(made.getId()).getDeleted(), true);
    var gone = all.retrieve(made.getId());
    Scenarios.equal(gone.getDeleted(), true);
    Scenarios.equal(gone.getEmail(), null);
    Scenarios.equal(listed(customers()), List.of());
    var error =
        Scenarios.failing(
            InvalidRequestException.class, () -> all.update(made.getId(), change));
    Scenarios.equal(error.getCode(), "resource_missing");
    return "list by email, search; a deleted one is read with getDeleted";
  }

  static String storedCard() throws Exception {
    var stripe = Scenarios.STRIPE.v1();
    var customer = newCustomer().getId();
    var token = PaymentMethodCreateParams.Token.builder().setToken("tok_visa").build();
    var asked =
        PaymentMethodCreateParams.builder()
            .setType(PaymentMethodCreateParams.Type.CARD)
            .setCard(token)
            .build();
    var card = stripe.paymentMethods().create(asked).getId();
    var setup = setUp(customer, card);
    Scenarios.equal(setup.getStatus(), "succeeded");
    Scenarios.equal(setup.getPaymentMethodObject().getCustomer(), customer);
    var kept = stripe.customers().paymentMethods().list(customer).getData();
    Scenarios.equal(List.of(kept.size(), kept.get(0).getId()), List.of(1, card));
    var sale =
        Scenarios.pay(
            Scenarios.params().setCustomer(customer).setPaymentMethod(card).setOffSession(true));
    Scenarios.equal(sale.getStatus(), "succeeded");
    var waits = setUp(customer, "pm_card_authenticationRequiredOnSetup");
    Scenarios.equal(waits.getStatus(), "requires_action");
    visited(waits.getNextAction().getRedirectToUrl().getUrl());
    Scenarios.equal(stripe.setupIntents().retrieve(waits.getId()).getStatus(), "succeeded");
    Scenarios.equal(stripe.paymentMethods().detach(card).getCustomer(), null);
    var error =
        Scenarios.failing(
            InvalidRequestException.class,
            () -> Scenarios.pay(Scenarios.params().setPaymentMethod(card)));
    Scenarios.equal(error.getMessage().contains("may not be used again"), true);
    Scenarios.equal(Scenarios.booked("captured"), List.of(1000));
    return "a SetupIntent keeps it, off_session pays; a detached one is refused";
  }

  static String hostedPage() throws Exception {
    var sessions = Scenarios.STRIPE.v1().checkout().sessions();
    var cap =
        SessionCreateParams.LineItem.PriceData.builder()
            .setCurrency("eur")
            .setUnitAmount(500L)
            .setProductData(
                SessionCreateParams.LineItem.PriceData.ProductData.builder().setName("Cap").build())
            .build();
    var asked =
        SessionCreateParams.builder()
            .setMode(SessionCreateParams.Mode.PAYMENT)
            .setSuccessUrl("https://shop.example/done?session={CHECKOUT_SESSION_ID}")
            .addLineItem(
                SessionCreateParams.LineItem.builder().setQuantity(2L).setPriceData(cap).build())
            .setPaymentIntentData(
                SessionCreateParams.PaymentIntentData.builder()
                    .putMetadata("order", Scenarios.order)
                    .build());
    var session = sessions.create(asked.build());
    Scenarios.equal(session.getStatus(), "open");
    Scenarios.equal(session.getPaymentIntent(), null);
    Scenarios.equal(
        visited(session.getUrl()), "https://shop.example/done?session=" + session.getId());
    var reads =
        SessionRetrieveParams.builder()
            .addExpand("payment_intent.latest_charge")
            .addExpand("line_items")
            .build();
    var paid = sessions.retrieve(session.getId(), reads);
    Scenarios.equal(paid.getStatus(), "complete");
    Scenarios.equal(paid.getPaymentStatus(), "paid");
    Scenarios.equal(paid.getPaymentIntentObject().getLatestChargeObject().getAmount(), 1000L);
    Scenarios.equal(paid.getLineItems().getData().get(0).getDescription(), "Cap");
    var lines = sessions.lineItems().list(session.getId()).autoPagingIterable();
    Scenarios.equal(lines.iterator().next().getQuantity(), 2L);
    Scenarios.failing(InvalidRequestException.class, () -> sessions.expire(session.getId()));
    Scenarios.equal(Scenarios.booked("captured"), List.of(1000));
    return "a Checkout Session: open, then complete and paid";
  }

  static String frontEnd() throws Exception {
    var stripe = Scenarios.STRIPE.v1();
    var owner = newCustomer().getId();
    var collected =
        ConfirmationTokenCreateParams.builder()
            .setPaymentMethod("pm_card_visa")
            .setReturnUrl("https://shop.example/return");
    var token = stripe.testHelpers().confirmationTokens().create(collected.build()).getId();
    var shown = stripe.confirmationTokens().retrieve(token).getPaymentMethodPreview();
    Scenarios.equal(shown.getCard().getLast4(), "4242");
    var asked =
        PaymentIntentCreateParams.builder()
            .setAmount(1000L)
            .setCurrency("eur")
            .putMetadata("order", Scenarios.order);
    var intent = stripe.paymentIntents().create(asked.build()).getId();
    var confirm = PaymentIntentConfirmParams.builder().setConfirmationToken(token).build();
    Scenarios.equal(stripe.paymentIntents().confirm(intent, confirm).getStatus(), "succeeded");
    Scenarios.equal(Scenarios.booked("captured"), List.of(1000));
    var wanted =
        EphemeralKeyCreateParams.builder()
            .setCustomer(owner)
            .setStripeVersion(Stripe.API_VERSION)
            .build();
    var key = EphemeralKey.create(wanted, options());
    Scenarios.equal(key.delete(options()).getId(), key.getId());
    var components =
        CustomerSessionCreateParams.Components.builder()
            .setPaymentElement(
                CustomerSessionCreateParams.Components.PaymentElement.builder()
                    .setEnabled(true)
                    .build())
            .build();
    var session =
        CustomerSessionCreateParams.builder().setCustomer(owner).setComponents(components).build();
    var made = stripe.customerSessions().create(session);
    Scenarios.equal(made.getComponents().getPaymentElement().getEnabled(), true);
    return "a confirmation token pays; ephemeral keys and customer sessions";
  }

  /** For what the client does not have: the SDK's older way of asking. */
  static RequestOptions options() {
    return RequestOptions.builder()
        .setApiKey("sk_test_paychain")
        .setBaseUrl(System.getenv("PAYCHAIN_URL"))
        .build();
  }

  static String changedRefund() throws Exception {
    var refunds = Scenarios.STRIPE.v1().refunds();
    var paid = Scenarios.pay(Scenarios.params()).getId();
    var part = RefundCreateParams.builder().setPaymentIntent(paid).setAmount(300L).build();
    var refund = refunds.create(part).getId();
    var change = RefundUpdateParams.builder().putMetadata("why", "broken").build();
    Scenarios.equal(refunds.update(refund, change).getMetadata(), Map.of("why", "broken"));
    var error =
        Scenarios.failing(InvalidRequestException.class, () -> refunds.cancel(refund));
    Scenarios.equal(error.getMessage().contains("requires_action"), true);
    Scenarios.equal(refunds.retrieve(refund).getStatus(), "succeeded");
    Scenarios.equal(Scenarios.booked("refunded"), List.of(300));
    return "its metadata; only one that requires_action can be cancelled: InvalidRequestException";
  }

  static String dispute() throws Exception {
    var stripe =
        Scenarios.client(0, "sk_test_paychain", System.getenv("PAYCHAIN_DISPUTED_URL")).v1();
    var paid = stripe.paymentIntents().create(Scenarios.params().build());
    var asked = DisputeListParams.builder().setPaymentIntent(paid.getId()).build();
    List<Dispute> found = List.of();
    for (int tries = 0; tries < 100 && found.isEmpty(); tries += 1) {
      Thread.sleep(50);
      found = stripe.disputes().list(asked).getData();
    }
    var dispute = found.get(0);
    Scenarios.equal(dispute.getCharge(), paid.getLatestCharge());
    Scenarios.equal(dispute.getStatus(), "needs_response");
    var evidence =
        DisputeUpdateParams.Evidence.builder().setProductDescription("a cap").build();
    var update = DisputeUpdateParams.builder().setEvidence(evidence).build();
    var sent = stripe.disputes().update(dispute.getId(), update);
    Scenarios.equal(sent.getStatus(), "under_review");
    Scenarios.equal(sent.getEvidenceDetails().getHasEvidence(), true);
    Scenarios.failing(
        InvalidRequestException.class, () -> stripe.disputes().close(dispute.getId()));
    return "needs_response; evidence puts it under_review, and it can no longer be closed";
  }

  static String catalogue() throws Exception {
    var stripe = Scenarios.STRIPE.v1();
    var product =
        stripe.products().create(ProductCreateParams.builder().setName("Shirt").build()).getId();
    var asked =
        PriceCreateParams.builder()
            .setProduct(product)
            .setCurrency("eur")
            .setUnitAmount(1000L)
            .setLookupKey(Scenarios.order)
            .build();
    var price = stripe.prices().create(asked);
    var byKey =
        PriceListParams.builder().addLookupKey(Scenarios.order).addExpand("data.product").build();
    var found = stripe.prices().list(byKey).getData();
    Scenarios.equal(found.size(), 1);
    Scenarios.equal(found.get(0).getProductObject().getName(), "Shirt");
    Scenarios.equal(found.get(0).getUnitAmountDecimal().intValueExact(), 1000);
    Scenarios.failing(InvalidRequestException.class, () -> stripe.prices().create(asked));
    stripe.prices().update(price.getId(), PriceUpdateParams.builder().setActive(false).build());
    var sold = PriceListParams.builder().setProduct(product).setActive(true).build();
    Scenarios.equal(stripe.prices().list(sold).getData(), List.of());
    var error =
        Scenarios.failing(
            InvalidRequestException.class, () -> stripe.products().delete(product));
    Scenarios.equal(error.getMessage().contains("user-created prices"), true);
    return "products and prices; by lookup_key, with the product expanded";
  }

  static String lists() throws Exception {
    var all = Scenarios.STRIPE.v1().customers();
    List<String> made = new ArrayList<>();
    for (int number = 0; number < 7; number += 1) made.add(0, newCustomer().getId());
    var pages = all.list(customers().setLimit(3L).build());
    Scenarios.equal(ids(pages.autoPagingIterable()), made);
    List<Boolean> followed = new ArrayList<>();
    for (JsonElement each : last(3)) {
      var target = each.getAsJsonObject().get("target").getAsString();
      followed.add(target.contains("starting_after=" + made.get(2)));
    }
    Scenarios.equal(followed, List.of(false, true, false));
    var upwards = all.list(customers().setLimit(2L).setEndingBefore(made.get(6)).build());
    Scenarios.equal(ids(upwards.getData()), List.of(made.get(4), made.get(5)));
    // The SDK pages onwards only: it sends starting_after beside the ending_before of the list.
    RuntimeException refused = null;
    try {
      ids(upwards.autoPagingIterable());
    } catch (RuntimeException error) {
      refused = error;
    }
    Scenarios.equal(refused.getCause().getMessage().contains("Please pass in only one"), true);
    var query = CustomerSearchParams.builder().setQuery("email:\"" + email() + "\"").setLimit(3L);
    Scenarios.equal(ids(all.search(query.build()).autoPagingIterable()), made);
    var made_s = all.retrieve(made.get(0)).getCreated();
    var later = CustomerListParams.Created.builder().setGt(made_s).build();
    Scenarios.equal(listed(customers().setCreated(later)), List.of());
    var error =
        Scenarios.failing(
            InvalidRequestException.class, () -> listed(customers().setLimit(101L)));
    Scenarios.equal(error.getParam(), "limit");
    return "auto-pagination onwards, by starting_after and page; with ending_before it is refused";
  }

  static String errors() throws Exception {
    Map<Integer, Class<? extends StripeException>> classes = new LinkedHashMap<>();
    classes.put(400, InvalidRequestException.class);
    classes.put(401, AuthenticationException.class);
    classes.put(402, CardException.class);
    classes.put(403, PermissionException.class);
    classes.put(404, InvalidRequestException.class);
    classes.put(429, RateLimitException.class);
    classes.put(500, ApiException.class);
    classes.put(502, ApiException.class);
    classes.put(504, ApiException.class);
    List<String> seen = new ArrayList<>();
    for (var each : classes.entrySet()) {
      inject(Map.of("kind", "http_error", "status", each.getKey()));
      var error = Scenarios.failing(each.getValue(), () -> Scenarios.pay(Scenarios.params()));
      heal("http_error");
      Scenarios.equal(error.getStatusCode(), each.getKey());
      Scenarios.equal(error.getRequestId().startsWith("req_"), true);
      seen.add(each.getKey() + " " + each.getValue().getSimpleName());
    }
    var large =
        Scenarios.failing(
            InvalidRequestException.class,
            () -> Scenarios.pay(Scenarios.params().setAmount(1L << 30)));
    Scenarios.equal(large.getStripeError().getDocUrl().contains("amount-too-large"), true);
    inject(Map.of("kind", "malformed"));
    Scenarios.failing(ApiException.class, () -> Scenarios.pay(Scenarios.params()));
    heal("malformed");
    return String.join(", ", seen);
  }

  static int sentBy(StripeClient retrying, Map<String, ?> fault) throws Exception {
    int before = Scenarios.requests();
    inject(fault);
    try {
      retrying.v1().paymentIntents().create(Scenarios.params().build());
    } catch (StripeException expected) {
      // The number of requests is what counts.
    }
    heal("http_error");
    return Scenarios.requests() - before;
  }

  static String ownRetries() throws Exception {
    var retrying = Scenarios.client(2);
    var unavailable = Map.of("kind", "http_error", "status", 503);
    Scenarios.equal(sentBy(retrying, unavailable), 3);
    var keys = new HashSet<String>();
    for (JsonElement each : last(3)) keys.add(header(each, "idempotency-key"));
    Scenarios.equal(List.of(keys.size(), keys.contains("")), List.of(1, false));
    Scenarios.equal(
        sentBy(retrying, Map.of("kind", "http_error", "status", 500, "after_work", true)), 1);
    Scenarios.equal(sentBy(retrying, Map.of("kind", "http_error", "status", 429)), 1);
    inject(unavailable);
    Scenarios.failing(ApiException.class, () -> retrying.v1().customers().list());
    heal("http_error");
    for (JsonElement each : last(3)) {
      Scenarios.equal(each.getAsJsonObject().get("method").getAsString(), "GET");
      Scenarios.equal(header(each, "idempotency-key"), "");
    }
    Scenarios.control("cut", Map.of("times", 1));
    var sale = retrying.v1().paymentIntents().create(Scenarios.params().build());
    Scenarios.equal(sale.getStatus(), "succeeded");
    return "one key of its own for all tries of a POST, none for a GET; 500 and 429 are final";
  }

  static String headers() throws Exception {
    Stripe.setAppInfo("shop", "2.0");
    var asked = CustomerCreateParams.builder().setEmail(email()).build();
    Scenarios.STRIPE.v1().customers().create(asked);
    var options = RequestOptions.builder().setStripeAccount("acct_1").build();
    var made = Scenarios.STRIPE.v1().customers().create(asked, options);
    var version = made.getLastResponse().headers().firstValue("stripe-version").orElse("");
    Scenarios.equal(version, Stripe.API_VERSION);
    var seen = last(2);
    Scenarios.equal(header(seen.get(0), "stripe-version"), Stripe.API_VERSION);
    Scenarios.equal(header(seen.get(1), "stripe-account"), "acct_1");
    Scenarios.equal(header(seen.get(0), "user-agent").startsWith("Stripe/v1 JavaBindings/"), true);
    Scenarios.equal(header(seen.get(0), "user-agent").endsWith("shop/2.0"), true);
    var agent = header(seen.get(0), "x-stripe-client-user-agent");
    Scenarios.equal(
        Scenarios.GSON.fromJson(agent, JsonObject.class).get("lang").getAsString(), "Java");
    Scenarios.equal(header(seen.get(1), "x-stripe-client-telemetry").contains("req_"), true);
    return "Stripe-Version " + version + "; telemetry names the request before it";
  }

  static String webhookChecks() throws Exception {
    var payload =
        "{\"id\":\"evt_1\",\"object\":\"event\",\"type\":\"charge.succeeded\",\"api_version\":\""
            + Stripe.API_VERSION
            + "\"}";
    long now = Webhook.Util.getTimeNow();
    var mark = Webhook.Signature.generateSignatureHeader(payload, "whsec_x", now);
    var old = Webhook.Signature.generateSignatureHeader(payload, "whsec_x", now - 301);
    Scenarios.equal(Webhook.constructEvent(payload, mark, "whsec_x").getId(), "evt_1");
    for (String header : List.of(old, mark.replace("v1=", "v0="), "", "t=1", "x"))
      Scenarios.failing(
          SignatureVerificationException.class,
          () -> Webhook.constructEvent(payload, header, "whsec_x"));
    // Another secret's signature beside a right one, as while a secret is rolled.
    var other = Webhook.Util.computeHmacSha256("whsec_y", now + "." + payload);
    Scenarios.equal(
        Webhook.constructEvent(payload, mark + ",v1=" + other, "whsec_x").getId(), "evt_1");
    return "SignatureVerificationException: older than 300 s, only v0, no signature";
  }

  static Map<String, Scenarios.Work> scenarios() {
    Map<String, Scenarios.Work> all = new LinkedHashMap<>();
    all.put("customer", Further::customer);
    all.put("stored card", Further::storedCard);
    all.put("hosted page", Further::hostedPage);
    all.put("front end", Further::frontEnd);
    all.put("changed refund", Further::changedRefund);
    all.put("dispute", Further::dispute);
    all.put("catalogue", Further::catalogue);
    all.put("lists", Further::lists);
    all.put("errors", Further::errors);
    all.put("own retries", Further::ownRetries);
    all.put("headers", Further::headers);
    all.put("webhook checks", Further::webhookChecks);
    return all;
  }
}
