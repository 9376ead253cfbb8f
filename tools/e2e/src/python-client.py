"""A gRPC client on Python's own gRPC library: `python-client.py DESCRIPTORS`, a FileDescriptorSet.

Reads one call a line from standard input, {"address", "method": "package.Service/Method", "requests": [...], "take"},
and writes one line for each to standard output: {"responses": [...]} or {"code", "message", "details"}. Messages are in
protobuf's JSON. A stream of responses is left after "take" of them, if that is given.
"""

import json
import sys

import grpc
from google.protobuf import descriptor_pb2, descriptor_pool, json_format, message_factory

TIMEOUT_SECONDS = 10


def load(path):
    files = descriptor_pb2.FileDescriptorSet()
    with open(path, "rb") as file:
        files.ParseFromString(file.read())
    pool = descriptor_pool.DescriptorPool()
    for file in files.file:
        pool.Add(file)
    return pool


def message_class(pool, descriptor):
    if hasattr(message_factory, "GetMessageClass"):
        return message_factory.GetMessageClass(descriptor)
    return message_factory.MessageFactory(pool).GetPrototype(descriptor)


def call(pool, address, method, requests, take=None):
    service_name, method_name = method.split("/")
    descriptor = pool.FindServiceByName(service_name).FindMethodByName(method_name)
    request_class = message_class(pool, descriptor.input_type)
    response_class = message_class(pool, descriptor.output_type)
    proto = descriptor_pb2.MethodDescriptorProto()
    descriptor.CopyToProto(proto)
    messages = [json_format.ParseDict(request, request_class(), descriptor_pool=pool) for request in requests]
    with grpc.insecure_channel(address) as channel:
        kind = "{}_{}".format(
            "stream" if proto.client_streaming else "unary", "stream" if proto.server_streaming else "unary"
        )
        invoke = getattr(channel, kind)("/" + method, request_class.SerializeToString, response_class.FromString)
        result = invoke(iter(messages) if proto.client_streaming else messages[0], timeout=TIMEOUT_SECONDS)
        if not proto.server_streaming:
            return [result]
        responses = []
        for response in result:
            responses.append(response)
            if len(responses) == take:
                result.cancel()
                break
        return responses


def answer(pool, arguments):
    to_dict = lambda message: json_format.MessageToDict(message, descriptor_pool=pool)
    try:
        return {"responses": [to_dict(response) for response in call(pool, **arguments)]}
    except grpc.RpcError as error:
        status_class = message_class(pool, pool.FindMessageTypeByName("google.rpc.Status"))
        trailers = dict(error.trailing_metadata() or ())
        status = status_class.FromString(trailers.get("grpc-status-details-bin", b""))
        details = to_dict(status).get("details", [])
        return {"code": error.code().name, "message": error.details(), "details": details}


def main():
    pool = load(sys.argv[1])
    for line in sys.stdin:
        print(json.dumps(answer(pool, json.loads(line))), flush=True)


main()
