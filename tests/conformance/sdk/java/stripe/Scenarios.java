// Stripe's Java SDK meets the mock. Prints one line of JSON for each scenario.
// Environment: PAYCHAIN_URL (the mock), PAYCHAIN_DISPUTED_URL (one of which every payment is charged
// back), PAYCHAIN_CONTROL (faults, books, webhooks), PAYCHAIN_PREFIX.

import com.google.gson.Gson;
import com.google.gson.JsonArray;
import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import com.stripe.StripeClient;
import com.stripe.exception.ApiConnectionException;
import com.stripe.exception.ApiException;
import com.stripe.exception.AuthenticationException;
import com.stripe.exception.CardException;
import com.stripe.exception.IdempotencyException;
import com.stripe.exception.InvalidRequestException;
import com.stripe.exception.RateLimitException;
import com.stripe.exception.SignatureVerificationException;
import com.stripe.exception.StripeException;
import com.stripe.model.Event;
import com.stripe.model.PaymentIntent;
import com.stripe.model.Refund;
import com.stripe.net.RequestOptions;
import com.stripe.net.Webhook;
import com.stripe.param.PaymentIntentCaptureParams;
import com.stripe.param.PaymentIntentCreateParams;
import com.stripe.param.RefundCreateParams;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.concurrent.CompletableFuture;

public class Scenarios {
  interface Work {
    String run() throws Exception;
  }

  interface Asks {
    void run() throws StripeException;
  }

  static final Gson GSON = new Gson();
  static final HttpClient HTTP = HttpClient.newHttpClient();
  static final StripeClient STRIPE = client(0);
  static String order = "";

  static StripeClient client(int retries) {
    return client(retries, "sk_test_paychain");
  }

  static StripeClient client(int retries, String key) {
    return client(retries, key, System.getenv("PAYCHAIN_URL"));
  }

  static StripeClient client(int retries, String key, String url) {
    return new StripeClient.StripeClientBuilder()
        .setApiKey(key)
        .setApiBase(url)
        .setMaxNetworkRetries(retries)
        .build();
  }

  static JsonElement control(String path, Map<String, ?> body) throws Exception {
    var asked =
        HttpRequest.newBuilder(URI.create(System.getenv("PAYCHAIN_CONTROL") + "/" + path))
            .version(HttpClient.Version.HTTP_1_1)
            .POST(HttpRequest.BodyPublishers.ofString(GSON.toJson(body)))
            .build();
    var answer = HTTP.send(asked, HttpResponse.BodyHandlers.ofString());
    return GSON.fromJson(answer.body(), JsonElement.class);
  }

  static List<Integer> booked(String kind) throws Exception {
    JsonElement amounts = control("booked", Map.of("order", order)).getAsJsonObject().get(kind);
    List<Integer> found = new ArrayList<>();
    if (amounts != null) amounts.getAsJsonArray().forEach(each -> found.add(each.getAsInt()));
    return found;
  }

  static int requests() throws Exception {
    return control("requests", Map.of("order", order)).getAsInt();
  }

  static void equal(Object got, Object want) {
    if (!Objects.equals(got, want))
      throw new AssertionError("got " + got + ", want " + want);
  }

  static <T extends StripeException> T failing(Class<T> kind, Asks asks) {
    try {
      asks.run();
    } catch (StripeException error) {
      equal(error.getClass(), kind);
      return kind.cast(error);
    }
    throw new AssertionError("nothing was raised");
  }

  static PaymentIntentCreateParams.Builder params() {
    return PaymentIntentCreateParams.builder()
        .setAmount(1000L)
        .setCurrency("eur")
        .setPaymentMethod("pm_card_visa")
        .setConfirm(true)
        .putMetadata("order", order);
  }

  static PaymentIntent pay(PaymentIntentCreateParams.Builder params) throws StripeException {
    return STRIPE.v1().paymentIntents().create(params.build());
  }

  static PaymentIntent payKeyed(PaymentIntentCreateParams.Builder params) throws StripeException {
    var options = RequestOptions.builder().setIdempotencyKey(order).build();
    return STRIPE.v1().paymentIntents().create(params.build(), options);
  }

  static PaymentIntent held() throws StripeException {
    return pay(params().setCaptureMethod(PaymentIntentCreateParams.CaptureMethod.MANUAL));
  }

  static PaymentIntent capture(String id, long amount, boolean isFinal) throws StripeException {
    var params =
        PaymentIntentCaptureParams.builder().setAmountToCapture(amount).setFinalCapture(isFinal);
    return STRIPE.v1().paymentIntents().capture(id, params.build());
  }

  static Refund refund(String id, Long amount) throws StripeException {
    var params = RefundCreateParams.builder().setPaymentIntent(id).setAmount(amount);
    return STRIPE.v1().refunds().create(params.build());
  }

  static Map<String, Work> scenarios() {
    Map<String, Work> all = new LinkedHashMap<>();
    all.put(
        "authorise",
        () -> {
          var sale = pay(params().addExpand("latest_charge"));
          equal(sale.getStatus(), "succeeded");
          equal(sale.getLatestChargeObject().getCaptured(), true);
          var held = held();
          equal(held.getStatus(), "requires_capture");
          equal(held.getAmountCapturable(), 1000L);
          equal(booked("captured"), List.of(1000));
          return "succeeded; requires_capture";
        });
    all.put(
        "decline",
        () -> {
          var method = "pm_card_visa_chargeDeclinedInsufficientFunds";
          var error =
              failing(CardException.class, () -> pay(params().setPaymentMethod(method)));
          equal(error.getDeclineCode(), "insufficient_funds");
          var intent = error.getStripeError().getPaymentIntent();
          equal(intent.getStatus(), "requires_payment_method");
          return "CardException with getDeclineCode";
        });
    all.put(
        "authentication",
        () -> {
          var waits =
              pay(
                  params()
                      .setPaymentMethod("pm_card_authenticationRequired")
                      .setReturnUrl("https://shop.example/return"));
          equal(waits.getStatus(), "requires_action");
          var page = URI.create(waits.getNextAction().getRedirectToUrl().getUrl());
          var visit = HttpRequest.newBuilder(page).version(HttpClient.Version.HTTP_1_1).build();
          var answer = HTTP.send(visit, HttpResponse.BodyHandlers.ofString());
          var location = answer.headers().firstValue("location").orElse("");
          equal(location.contains("redirect_status=succeeded"), true);
          equal(STRIPE.v1().paymentIntents().retrieve(waits.getId()).getStatus(), "succeeded");
          return "requires_action; redirect_to_url completes it";
        });
    all.put(
        "capture in parts",
        () -> {
          var held = held();
          equal(capture(held.getId(), 300, false).getAmountCapturable(), 700L);
          equal(capture(held.getId(), 400, true).getStatus(), "succeeded");
          var error =
              failing(InvalidRequestException.class, () -> capture(held.getId(), 100, true));
          equal(error.getCode(), "payment_intent_unexpected_state");
          equal(booked("captured"), List.of(300, 400));
          equal(booked("voided"), List.of(300));
          return "final_capture false and true; the rest is released";
        });
    all.put(
        "void",
        () -> {
          var held = held();
          equal(STRIPE.v1().paymentIntents().cancel(held.getId()).getStatus(), "canceled");
          var error =
              failing(InvalidRequestException.class, () -> capture(held.getId(), 100, true));
          equal(error.getCode(), "payment_intent_unexpected_state");
          equal(booked("voided"), List.of(1000));
          return "canceled; no capture afterwards";
        });
    all.put(
        "refund",
        () -> {
          var sale = pay(params());
          equal(refund(sale.getId(), 300L).getStatus(), "succeeded");
          equal(refund(sale.getId(), null).getAmount(), 700L);
          var error =
              failing(InvalidRequestException.class, () -> refund(sale.getId(), null));
          equal(error.getCode(), "charge_already_refunded");
          equal(booked("refunded"), List.of(300, 700));
          return "two refunds; the third is refused";
        });
    all.put(
        "query",
        () -> {
          var sale = pay(params());
          equal(STRIPE.v1().paymentIntents().retrieve(sale.getId()).getStatus(), "succeeded");
          equal(STRIPE.v1().paymentIntents().list().getData().get(0).getId(), sale.getId());
          var error =
              failing(
                  InvalidRequestException.class,
                  () -> STRIPE.v1().paymentIntents().retrieve("pi_unknown"));
          equal(error.getCode(), "resource_missing");
          return "retrieve, list; 404 resource_missing";
        });
    all.put(
        "repeat",
        () -> {
          var first = payKeyed(params());
          var again = payKeyed(params());
          equal(first.getId(), again.getId());
          var replayed = again.getLastResponse().headers().firstValue("idempotent-replayed");
          equal(replayed.orElse(""), "true");
          equal(booked("captured"), List.of(1000));
          return "the same object, Idempotent-Replayed";
        });
    all.put(
        "mismatch",
        () -> {
          payKeyed(params());
          var error =
              failing(IdempotencyException.class, () -> payKeyed(params().setAmount(1001L)));
          equal(error.getStatusCode(), 400);
          return "IdempotencyException 400";
        });
    all.put(
        "in flight",
        () -> {
          control("inject", Map.of("kind", "slow_answer", "link", "issuer", "delay", "1s"));
          var first =
              CompletableFuture.supplyAsync(
                  () -> {
                    try {
                      return payKeyed(params());
                    } catch (StripeException error) {
                      throw new AssertionError(error);
                    }
                  });
          Thread.sleep(300);
          StripeException found = null;
          try {
            payKeyed(params());
          } catch (StripeException error) {
            found = error;
          }
          equal(found != null ? found.getStatusCode() : 0, 409);
          equal(found.getCode(), "idempotency_key_in_use");
          first.get();
          return "409 idempotency_key_in_use (" + found.getClass().getSimpleName() + ")";
        });
    all.put(
        "http 503",
        () -> {
          control("inject", Map.of("kind", "http_error", "status", 503));
          var error = failing(ApiException.class, () -> pay(params()));
          equal(error.getStatusCode(), 503);
          equal(requests(), 1);
          var retrying = client(2);
          failing(
              ApiException.class, () -> retrying.v1().paymentIntents().create(params().build()));
          equal(requests(), 4);
          return "ApiException; 1 request with setMaxNetworkRetries(0), 3 with 2";
        });
    all.put(
        "rate limit",
        () -> {
          control("inject", Map.of("kind", "rate_limit", "rate", "1/s"));
          var error =
              failing(
                  RateLimitException.class,
                  () -> {
                    for (int tries = 0; tries < 4; tries += 1) pay(params());
                  });
          equal(error.getStatusCode(), 429);
          return "RateLimitException";
        });
    all.put(
        "cut connection",
        () -> {
          control("cut", Map.of("times", 1));
          String seen = "no exception";
          try {
            pay(params());
          } catch (ApiConnectionException error) {
            seen = "ApiConnectionException";
          }
          equal(booked("captured"), List.of(1000));
          return seen + "; " + requests() + " requests with setMaxNetworkRetries(0)";
        });
    all.put(
        "unknown parameter",
        () -> {
          var error =
              failing(
                  InvalidRequestException.class,
                  () -> pay(params().putExtraParam("colour", "red")));
          equal(error.getCode(), "parameter_unknown");
          equal(error.getParam(), "colour");
          var stranger = client(0, "nonsense");
          failing(AuthenticationException.class, () -> stranger.v1().customers().list());
          return "parameter_unknown; AuthenticationException";
        });
    all.put(
        "webhook",
        () -> {
          var sale = pay(params());
          Thread.sleep(300);
          JsonObject hooks = control("webhooks", Map.of()).getAsJsonObject();
          String secret = hooks.get("secret").getAsString();
          JsonArray received = hooks.getAsJsonArray("received");
          List<String> kinds = new ArrayList<>();
          for (JsonElement each : received) {
            String body = each.getAsJsonObject().get("body").getAsString();
            if (!body.contains(sale.getId())) continue;
            var headers = each.getAsJsonObject().getAsJsonObject("headers");
            String mark = headers.get("stripe-signature").getAsString();
            Event event = Webhook.constructEvent(body, mark, secret);
            equal(event.getDataObjectDeserializer().getObject().isPresent(), true);
            kinds.add(event.getType());
            failing(
                SignatureVerificationException.class,
                () -> Webhook.constructEvent(body + " ", mark, secret));
          }
          kinds.sort(null);
          equal(
              kinds,
              List.of("charge.succeeded", "payment_intent.created", "payment_intent.succeeded"));
          return "constructEvent with a typed object; another body is refused";
        });
    return all;
  }

  public static void main(String[] none) throws Exception {
    int number = 0;
    var all = scenarios();
    all.putAll(Further.scenarios());
    for (var each : all.entrySet()) {
      number += 1;
      order = String.format("%s%07d", System.getenv("PAYCHAIN_PREFIX"), number);
      Map<String, String> cell = new LinkedHashMap<>();
      cell.put("scenario", each.getKey());
      cell.put("result", "passed");
      try {
        cell.put("detail", each.getValue().run());
      } catch (Throwable problem) {
        cell.put("result", "failed");
        cell.put("detail", String.valueOf(problem));
      }
      for (String kind : List.of("http_error", "slow_answer", "rate_limit"))
        control("heal", Map.of("kind", kind));
      control("cut", Map.of("times", 0));
      System.out.println(GSON.toJson(cell));
    }
    System.exit(0);
  }
}
