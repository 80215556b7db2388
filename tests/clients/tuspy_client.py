"""tuspy as a program: begin FILE URL TOKEN CHUNKS, or resume FILE LOCATION TOKEN. Prints the upload's URL."""

import sys

from tusclient import client

CHUNK_BYTES = 256 * 1024

verb, path, url, token = sys.argv[1:5]
tus = client.TusClient(url, headers={"Authorization": f"Bearer {token}"})
with open(path, "rb") as stream:
    if verb == "begin":
        uploader = tus.uploader(file_stream=stream, chunk_size=CHUNK_BYTES, metadata={"filename": "from python.bin"},
                                upload_checksum=True)
        for _ in range(int(sys.argv[5])):
            uploader.upload_chunk()
    else:
        uploader = tus.uploader(file_stream=stream, url=url, chunk_size=CHUNK_BYTES, upload_checksum=True)
        uploader.upload()
    print(uploader.url)
