import com.adyen.Client;
import com.adyen.enums.Environment;
import com.adyen.model.RequestOptions;
import com.adyen.model.checkout.*;
import com.adyen.model.notification.NotificationRequest;
import com.adyen.model.recurring.DisableRequest;
import com.adyen.model.recurring.RecurringDetailsRequest;
import com.adyen.service.checkout.ModificationsApi;
import com.adyen.service.checkout.PaymentLinksApi;
import com.adyen.service.checkout.PaymentsApi;
import com.adyen.service.checkout.RecurringApi;
import com.adyen.service.exception.ApiException;
import com.adyen.util.HMACValidator;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;

/** Adyen's Java library, asked in JSON lines: {id, operation, body, psp, key}. */
public class AdyenDriver {
    static final ObjectMapper PLAIN = new ObjectMapper();
    static PaymentsApi payments;
    static ModificationsApi modifications;
    static RecurringApi stored;
    static PaymentLinksApi links;
    static com.adyen.service.RecurringApi recurring;

    public static void main(String[] arguments) throws Exception {
        Client client = new Client("test", Environment.TEST);
        String url = arguments[0] + "/v72";
        payments = new PaymentsApi(client, url);
        modifications = new ModificationsApi(client, url);
        stored = new RecurringApi(client, url);
        links = new PaymentLinksApi(client, url);
        recurring = new com.adyen.service.RecurringApi(
            client, arguments[0] + "/pal/servlet/Recurring/v68");
        answer(PLAIN.createObjectNode().put("sdk", Client.LIB_NAME + " " + Client.LIB_VERSION));
        ExecutorService workers = Executors.newCachedThreadPool();
        BufferedReader asked = new BufferedReader(new InputStreamReader(System.in));
        for (String line = asked.readLine(); line != null; line = asked.readLine()) {
            JsonNode request = PLAIN.readTree(line);
            workers.submit(() -> work(request));
        }
        workers.shutdownNow();
    }

    static void work(JsonNode asked) {
        ObjectNode given = PLAIN.createObjectNode().put("id", asked.get("id").asInt());
        try {
            given.set("message", done(asked));
        } catch (ApiException failure) {
            fail(given, failure, failure.getStatusCode());
            ObjectNode error = (ObjectNode) given.get("error");
            if (failure.getError() != null && failure.getError().getErrorCode() != null) {
                error.put("code", failure.getError().getErrorCode());
            }
            ObjectNode headers = (ObjectNode) error.get("headers");
            failure.getResponseHeaders().forEach(
                (name, values) -> headers.put(String.valueOf(name).toLowerCase(), values.get(0)));
        } catch (Throwable failure) {
            fail(given, failure, 0);
        }
        answer(given);
    }

    static void fail(ObjectNode given, Throwable failure, int status) {
        given.remove("message");
        ObjectNode error = given.putObject("error");
        error.put("name", failure.getClass().getSimpleName());
        error.put("status", status).put("code", "").putObject("headers");
    }

    static JsonNode done(JsonNode asked) throws Exception {
        String body = asked.get("body").toString();
        String psp = asked.path("psp").asText();
        String key = asked.path("key").asText();
        RequestOptions options = new RequestOptions();
        if (!key.isEmpty()) {
            options.idempotencyKey(key);
        }
        switch (asked.get("operation").asText()) {
            case "payments":
                return json(payments.payments(PaymentRequest.fromJson(body), options));
            case "details":
                return json(
                    payments.paymentsDetails(PaymentDetailsRequest.fromJson(body), options));
            case "capture":
                return json(modifications.captureAuthorisedPayment(
                    psp, PaymentCaptureRequest.fromJson(body), options));
            case "cancel":
                return json(modifications.cancelAuthorisedPaymentByPspReference(
                    psp, PaymentCancelRequest.fromJson(body), options));
            case "cancel by reference":
                return json(modifications.cancelAuthorisedPayment(
                    StandalonePaymentCancelRequest.fromJson(body), options));
            case "refund":
                return json(modifications.refundCapturedPayment(
                    psp, PaymentRefundRequest.fromJson(body), options));
            case "reverse":
                return json(modifications.refundOrCancelPayment(
                    psp, PaymentReversalRequest.fromJson(body), options));
            case "store":
                return json(stored.storedPaymentMethods(
                    StoredPaymentMethodRequest.fromJson(body), options));
            case "stored":
                return json(stored.getTokensForStoredPaymentDetails(
                    text(asked, "shopperReference"), text(asked, "merchantAccount"), options));
            case "forget":
                stored.deleteTokenForStoredPaymentDetails(
                    psp, text(asked, "shopperReference"), text(asked, "merchantAccount"));
                return PLAIN.createObjectNode();
            case "session":
                return json(
                    payments.sessions(CreateCheckoutSessionRequest.fromJson(body), options));
            case "session result":
                return json(payments.getResultOfPaymentSession(psp, text(asked, "sessionResult")));
            case "link":
                return json(links.paymentLinks(PaymentLinkRequest.fromJson(body), options));
            case "show link":
                return json(links.getPaymentLink(psp));
            case "expire link":
                return json(
                    links.updatePaymentLink(psp, UpdatePaymentLinkRequest.fromJson(body), options));
            case "card details":
                return json(payments.cardDetails(CardDetailsRequest.fromJson(body), options));
            case "payment methods":
                return json(payments.paymentMethods(PaymentMethodsRequest.fromJson(body), options));
            case "recurring details":
                return json(recurring.listRecurringDetails(
                    RecurringDetailsRequest.fromJson(body), options));
            case "disable recurring":
                return json(recurring.disable(DisableRequest.fromJson(body), options));
            case "parse":
                Class<?> model =
                    Class.forName("com.adyen.model.checkout." + asked.get("model").asText());
                return json(JSON.getMapper().readValue(body, model));
            case "hmac":
                String whole = "{\"live\":\"false\",\"notificationItems\":"
                    + "[{\"NotificationRequestItem\":" + body + "}]}";
                return PLAIN.valueToTree(new HMACValidator().validateHMAC(
                    NotificationRequest.fromJson(whole).getNotificationItems().get(0), key));
            default:
                throw new IllegalArgumentException(asked.toString());
        }
    }

    static String text(JsonNode asked, String name) {
        return asked.get("body").path(name).asText();
    }

    static JsonNode json(Object typed) throws Exception {
        return PLAIN.readTree(JSON.getMapper().writeValueAsString(typed));
    }

    static synchronized void answer(JsonNode given) {
        System.out.println(given);
        System.out.flush();
    }
}
