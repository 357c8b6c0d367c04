"""moto's S3 server with one bucket. usage: s3.py ADDRESS PORT [BUCKET]"""

import signal
import sys

import boto3
from moto.server import ThreadedMotoServer

address, port, bucket = (*sys.argv[1:], "image-generation")[:3]
ends = {signal.SIGTERM, signal.SIGINT}
# Before the server's thread begins, which inherits it.
signal.pthread_sigmask(signal.SIG_BLOCK, ends)
server = ThreadedMotoServer(ip_address=address, port=int(port))
server.start()
here = f"http://127.0.0.1:{port}"
boto3.client("s3", endpoint_url=here, region_name="us-east-1", aws_access_key_id="any", aws_secret_access_key="any").create_bucket(Bucket=bucket)
signal.sigwait(ends)
server.stop()
