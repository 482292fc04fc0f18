"""Makes decisions over gRPC as it is told, for day.mjs: the same cases, the other way.

Reads lines of JSON on standard input and answers each with one on standard output:

    {"call": "Enroll" | "VerifyBeneficiary" | "ResolveReferral", "message": {...}, "files": [["frames", "BASE64"], ...]}
    {"answer": {...}}   or   {"code": "FAILED_PRECONDITION", "reason": "..."}

    python grpc_side.py HOST:PORT      with the code generated from proto/ on the path
"""

import base64
import json
import sys

import grpc
from chinhchu.v1 import decision_pb2, decision_pb2_grpc, gallery_pb2, gallery_pb2_grpc
from google.protobuf import json_format
from google.rpc import error_details_pb2
from grpc_status import rpc_status

DEADLINE_S = 30


def main():
    channel = grpc.insecure_channel(sys.argv[1], options=[("grpc.max_send_message_length", 64 << 20)])
    beneficiary = decision_pb2_grpc.BeneficiaryStub(channel)
    calls = {
        "Enroll": (gallery_pb2_grpc.GalleryStub(channel).Enroll, gallery_pb2.EnrollRequest),
        "VerifyBeneficiary": (beneficiary.VerifyBeneficiary, decision_pb2.VerifyBeneficiaryRequest),
        "ResolveReferral": (beneficiary.ResolveReferral, decision_pb2.ResolveReferralRequest),
    }
    for line in sys.stdin:
        asked = json.loads(line)
        call, kind = calls[asked["call"]]
        message = json_format.ParseDict(asked["message"], kind())
        for field, content in asked.get("files", []):
            # chipFiles is chip_files in Python.
            name = next(known.name for known in kind.DESCRIPTOR.fields if known.json_name == field)
            getattr(message, name).append(base64.b64decode(content))
        try:
            answer = {"answer": json_format.MessageToDict(call(message, timeout=DEADLINE_S))}
        except grpc.RpcError as error:
            status = rpc_status.from_call(error)
            infos = [detail for detail in (status.details if status else []) if detail.type_url.endswith("ErrorInfo")]
            info = error_details_pb2.ErrorInfo()
            if infos:
                infos[0].Unpack(info)
            answer = {"code": error.code().name, "reason": info.reason}
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
