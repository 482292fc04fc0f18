// The request of one decision: composed once, and sent unchanged as often as it takes.

import { ApiError } from "./api.js";

/** The message and its parts. What is sent names no file and no device. */
export function composeRequest(state, data, policy) {
  const { number, name, birthDate, sex } = data.record;
  const request = {
    transactionId: state.transactionId,
    attempt: state.attempt,
    subjectId: data.subjectId.trim(),
    scheme: data.scheme,
    policy,
    record: { number: number.trim(), name: name.trim(), birthDate: birthDate.trim(), sex },
  };
  const parts = [];
  if (data.cardWay === "read") {
    for (const file of data.card?.files ?? []) parts.push(["chipFiles", new Blob([file.bytes], { type: "application/octet-stream" })]);
  }
  for (const frame of data.frames) parts.push(["frames", frame.blob]);
  return { request, parts };
}

/**
 * Sends it. `onProgress` is told {sent, total} while it goes out, {retry: error} before it is sent again.
 * Resolves with {decision} or {error}.
 */
export async function transmit(api, { request, parts }, onProgress) {
  try {
    const decision = await api.upload("Beneficiary/VerifyBeneficiary", request, parts, {
      timeoutMs: 30_000,
      onProgress: (sent, total) => onProgress({ sent, total }),
      onRetry: (error) => onProgress({ retry: error }),
    });
    // Only the server knows what was decided: what names another transaction was said by something between.
    if (decision.transactionId !== request.transactionId) return { error: new ApiError({ code: "lost" }) };
    return { decision };
  } catch (error) {
    return { error };
  }
}
