package vn.chinhchu.example;

import com.google.protobuf.Any;
import com.google.protobuf.ByteString;
import com.google.protobuf.InvalidProtocolBufferException;
import com.google.rpc.BadRequest;
import com.google.rpc.ErrorInfo;
import com.google.rpc.LocalizedMessage;
import com.google.rpc.RetryInfo;
import io.grpc.CallOptions;
import io.grpc.Channel;
import io.grpc.ClientCall;
import io.grpc.ClientInterceptor;
import io.grpc.ForwardingClientCall.SimpleForwardingClientCall;
import io.grpc.ManagedChannel;
import io.grpc.ManagedChannelBuilder;
import io.grpc.Metadata;
import io.grpc.MethodDescriptor;
import io.grpc.Status;
import io.grpc.StatusRuntimeException;
import io.grpc.protobuf.StatusProto;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.SecureRandom;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.UUID;
import java.util.concurrent.TimeUnit;
import java.util.function.Supplier;
import java.util.stream.Stream;
import vn.chinhchu.v1.Attributes;
import vn.chinhchu.v1.BenefitRecord;
import vn.chinhchu.v1.BeneficiaryGrpc;
import vn.chinhchu.v1.ChipVerdict;
import vn.chinhchu.v1.Decision;
import vn.chinhchu.v1.DecisionReason;
import vn.chinhchu.v1.EnrollMode;
import vn.chinhchu.v1.EnrollPhoto;
import vn.chinhchu.v1.EnrollRequest;
import vn.chinhchu.v1.EnrollResponse;
import vn.chinhchu.v1.GalleryGrpc;
import vn.chinhchu.v1.Outcome;
import vn.chinhchu.v1.ResolveReferralRequest;
import vn.chinhchu.v1.ResolveReferralResponse;
import vn.chinhchu.v1.Scheme;
import vn.chinhchu.v1.Sex;
import vn.chinhchu.v1.Source;
import vn.chinhchu.v1.VerificationGrpc;
import vn.chinhchu.v1.VerifyBeneficiaryRequest;
import vn.chinhchu.v1.VerifyBeneficiaryResponse;
import vn.chinhchu.v1.VerifyRequest;
import vn.chinhchu.v1.VerifyResponse;

/**
 * A payout counter in Java, as an integrator would begin to write one.
 *
 * <p>It enrols two people, compares faces, is told why a picture is of no use, decides on
 * claims with synthetic cards, and lets an officer answer a referral.
 *
 * <p>Arguments: HOST:PORT, the folder of the photos, the folder of the cards. Exit code: 0
 * where everything went as these photos should, 1 where not.
 */
public final class Counter {
    /** Of 100,000 others, about one would pass. */
    private static final double FMR = 1e-5;

    /** A clerk will not wait longer. */
    private static final Duration DEADLINE = Duration.ofSeconds(20);

    private static final int TRIES_MAX = 5;
    private static final String DOMAIN = "chinhchu.v1";
    private static final Metadata.Key<String> LANGUAGE =
            Metadata.Key.of("accept-language", Metadata.ASCII_STRING_MARSHALLER);
    private static final Metadata.Key<String> TRACEPARENT =
            Metadata.Key.of("traceparent", Metadata.ASCII_STRING_MARSHALLER);

    private final VerificationGrpc.VerificationBlockingStub verification;
    private final GalleryGrpc.GalleryBlockingStub gallery;
    private final BeneficiaryGrpc.BeneficiaryBlockingStub beneficiary;
    private boolean right = true;

    private Counter(ManagedChannel channel) {
        ClientInterceptor manners = new Manners();
        verification = VerificationGrpc.newBlockingStub(channel).withInterceptors(manners);
        gallery = GalleryGrpc.newBlockingStub(channel).withInterceptors(manners);
        beneficiary = BeneficiaryGrpc.newBlockingStub(channel).withInterceptors(manners);
    }

    /** Gives every call a deadline, the clerk's language and a trace. */
    private static final class Manners implements ClientInterceptor {
        private final SecureRandom random = new SecureRandom();

        @Override
        public <Q, A> ClientCall<Q, A> interceptCall(MethodDescriptor<Q, A> method, CallOptions options, Channel next) {
            CallOptions timed = options.withDeadlineAfter(DEADLINE.toMillis(), TimeUnit.MILLISECONDS);
            return new SimpleForwardingClientCall<Q, A>(next.newCall(method, timed)) {
                @Override
                public void start(Listener<A> listener, Metadata headers) {
                    headers.put(LANGUAGE, "vi");
                    headers.put(TRACEPARENT, "00-" + hex(16) + "-" + hex(8) + "-01");
                    super.start(listener, headers);
                }
            };
        }

        private String hex(int bytes) {
            StringBuilder digits = new StringBuilder();
            for (int at = 0; at < bytes; at++) {
                digits.append(String.format("%02x", random.nextInt(256)));
            }
            return digits.toString();
        }
    }

    /** A refusal by the server, taken apart. Branch on the reason or the code, never on text. */
    private static final class Refused extends RuntimeException {
        private static final long serialVersionUID = 1;

        final Status.Code code;
        final String trace;
        String reason = "";
        transient Map<String, String> metadata = Map.of();
        String sentence;
        String language = "en";
        transient List<String> badFields = List.of();
        Duration retryAfter;

        Refused(StatusRuntimeException error) {
            super(error);
            code = error.getStatus().getCode();
            sentence = error.getStatus().getDescription();
            Metadata trailers = error.getTrailers();
            String parent = trailers == null ? null : trailers.get(TRACEPARENT);
            // Tell the operator this: the server's log has the call under it.
            trace = parent == null ? "" : parent.split("-")[1];
            com.google.rpc.Status status = StatusProto.fromThrowable(error);
            try {
                for (Any detail : status == null ? List.<Any>of() : status.getDetailsList()) {
                    read(detail);
                }
            } catch (InvalidProtocolBufferException broken) {
                throw new IllegalStateException("the details are not google.rpc's", broken);
            }
        }

        private void read(Any detail) throws InvalidProtocolBufferException {
            if (detail.is(ErrorInfo.class)) {
                ErrorInfo info = detail.unpack(ErrorInfo.class);
                if (info.getDomain().equals(DOMAIN)) {
                    reason = info.getReason();
                    metadata = info.getMetadataMap();
                }
            } else if (detail.is(LocalizedMessage.class)) {
                LocalizedMessage spoken = detail.unpack(LocalizedMessage.class);
                sentence = spoken.getMessage();
                language = spoken.getLocale();
            } else if (detail.is(BadRequest.class)) {
                badFields = detail.unpack(BadRequest.class).getFieldViolationsList().stream()
                        .map(BadRequest.FieldViolation::getField)
                        .toList();
            } else if (detail.is(RetryInfo.class)) {
                com.google.protobuf.Duration delay = detail.unpack(RetryInfo.class).getRetryDelay();
                retryAfter = Duration.ofSeconds(delay.getSeconds(), delay.getNanos());
            }
        }
    }

    /**
     * Calls, and calls again where the server says that and when it is worth it. Every call may
     * be repeated: questions change nothing, writes and decisions are named by the caller and
     * done once.
     */
    private static <A> A patiently(Supplier<A> call) {
        for (int attempt = 1; ; attempt++) {
            try {
                return call.get();
            } catch (StatusRuntimeException error) {
                Refused refused = new Refused(error);
                if (refused.retryAfter == null || attempt == TRIES_MAX) {
                    throw refused;
                }
                try {
                    Thread.sleep(refused.retryAfter.toMillis() * attempt);
                } catch (InterruptedException interrupted) {
                    Thread.currentThread().interrupt();
                    throw refused;
                }
            }
        }
    }

    private boolean enrol(String subject, ByteString photo) {
        EnrollRequest request = EnrollRequest.newBuilder()
                .setRequestId(UUID.randomUUID().toString())
                // A pseudonym of your own, never the card number.
                .setSubjectId(subject)
                .setMode(EnrollMode.ENROLL_MODE_REPLACE)
                .setAttributes(Attributes.newBuilder().addSchemes("social"))
                .addPhotos(EnrollPhoto.newBuilder().setImage(photo).setSource(Source.SOURCE_OTHER))
                .build();
        EnrollResponse first = patiently(() -> gallery.enroll(request));
        // As after a lost answer.
        EnrollResponse again = patiently(() -> gallery.enroll(request));
        return again.getReplayed() && again.getCommit() == first.getCommit();
    }

    private VerifyResponse verify(ByteString reference, ByteString probe) {
        VerifyRequest request = VerifyRequest.newBuilder()
                .setReference(reference)
                .addProbes(probe)
                .setFmr(FMR)
                .build();
        return patiently(() -> verification.verify(request));
    }

    private VerifyBeneficiaryResponse claim(
            String subject, Path card, String number, List<ByteString> captures, String transaction, int attempt)
            throws IOException {
        VerifyBeneficiaryRequest.Builder request = VerifyBeneficiaryRequest.newBuilder()
                .setTransactionId(transaction)
                .setAttempt(attempt)
                .setSubjectId(subject)
                .setScheme(Scheme.SCHEME_SOCIAL)
                .setPolicy("demo")
                .setRecord(BenefitRecord.newBuilder()
                        .setNumber(number)
                        .setName("Nguyễn Thử Nghiệm")
                        .setBirthDate("1988")
                        .setSex(Sex.SEX_MALE))
                .addAllFrames(captures);
        try (Stream<Path> files = Files.list(card)) {
            for (Path file : files.filter(Files::isRegularFile).sorted().toList()) {
                request.addChipFiles(read(file));
            }
        }
        VerifyBeneficiaryRequest built = request.build();
        return patiently(() -> beneficiary.verifyBeneficiary(built));
    }

    private void shown(String what, boolean isRight) {
        right &= isRight;
        System.out.println("  " + what + (isRight ? "" : "   <- NOT AS IT SHOULD BE"));
    }

    private void day(Path photos, Path cards) throws IOException {
        ByteString obama = read(photos.resolve("obama.jpg"));
        ByteString biden = read(photos.resolve("biden.jpg"));
        List<ByteString> captures =
                List.of(read(photos.resolve("obama2.jpg")), read(photos.resolve("obama3.jpg")));

        System.out.println("Enrol");
        shown("java-1; a retry is recognised", enrol("java-1", obama));
        shown("java-2; a retry is recognised", enrol("java-2", biden));

        System.out.println("Verify");
        for (boolean genuine : new boolean[] {true, false}) {
            VerifyResponse answer = verify(obama, genuine ? captures.get(0) : biden);
            // Act on the decision alone; the score is for the record.
            boolean match = answer.getDecision() == Decision.DECISION_MATCH;
            shown(
                    String.format(Locale.ROOT, "%s, score %.3f", answer.getDecision(), answer.getScore()),
                    match == genuine);
        }

        System.out.println("A file that is no photo");
        try {
            verify(obama, ByteString.copyFromUtf8("no photo"));
            shown("was taken", false);
        } catch (Refused refused) {
            boolean named = refused.badFields.equals(List.of("probes[0]"));
            shown(refused.code + " " + refused.reason, refused.reason.equals("IMAGE_FORMAT") && named);
            shown(refused.language + ": " + refused.sentence, refused.language.equals("vi"));
            shown("trace " + refused.trace, refused.trace.length() == 32);
        }

        System.out.println("Decide");
        String transaction = UUID.randomUUID().toString();
        VerifyBeneficiaryResponse answer =
                claim("java-1", cards.resolve("card"), "999088000017", captures, transaction, 1);
        ChipVerdict chip = answer.getEvidence().getChip().getChipVerdict();
        shown("the person's own card: " + answer.getOutcome(), answer.getOutcome() == Outcome.OUTCOME_APPROVE);
        shown("the chip: " + chip, chip == ChipVerdict.CHIP_VERDICT_AUTHENTIC);

        String second = UUID.randomUUID().toString();
        Path card = cards.resolve("second_card");
        answer = claim("java-3", card, "999075000023", captures, second, 1);
        List<String> codes = new ArrayList<>();
        for (DecisionReason reason : answer.getReasonsList()) {
            codes.add(reason.getCode());
        }
        // An outcome that a program does not know (UNRECOGNIZED) must never pass for an approval.
        boolean approved = answer.getOutcome() == Outcome.OUTCOME_APPROVE;
        shown("the same face under a second card: " + codes, !approved && codes.contains("DUPLICATE_FACE"));
        try {
            claim("java-3", card, "999075000023", captures, second, 5);
            shown("an attempt out of order was taken", false);
        } catch (Refused refused) {
            String expected = refused.metadata.get("attemptExpected");
            shown("attempt 5: " + refused.reason + ", " + expected + " is expected", "2".equals(expected));
        }
        ResolveReferralRequest resolve = ResolveReferralRequest.newBuilder()
                .setTransactionId(second)
                .setAttempt(1)
                .setOfficerId("officer-1")
                .setOutcome(Outcome.OUTCOME_DENY)
                .setReason("draws under another record")
                .build();
        ResolveReferralResponse resolved = patiently(() -> beneficiary.resolveReferral(resolve));
        shown("to the citizen: " + resolved.getCitizenVi(), resolved.getOutcome() == Outcome.OUTCOME_DENY);
    }

    private static ByteString read(Path file) throws IOException {
        return ByteString.copyFrom(Files.readAllBytes(file));
    }

    /** See the class. */
    public static void main(String[] arguments) throws IOException {
        if (arguments.length != 3) {
            System.err.println("usage: Counter HOST:PORT PHOTOS CARDS");
            System.exit(2);
        }
        ManagedChannel channel =
                ManagedChannelBuilder.forTarget(arguments[0]).usePlaintext().build();
        Counter counter = new Counter(channel);
        try {
            counter.day(Path.of(arguments[1]), Path.of(arguments[2]));
        } finally {
            channel.shutdownNow();
        }
        System.exit(counter.right ? 0 : 1);
    }
}
