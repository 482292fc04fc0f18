"""The other side of scripts/bench-large: OpenCV decodes in full, Python's ONNX
Runtime runs the same networks, one thread each. Written as one would who wants
it fast: no copies that can be avoided, no Python loops over pixels or boxes.

Run by scripts/bench-large in a virtual environment of its own, never by hand:

    bench_large_peer.py make PHOTO FOLDER    writes the two pictures
    bench_large_peer.py work MODELS          answers lines of JSON, as benches/large_captures.rs does
"""

import json
import pathlib
import sys
import time

import cv2
import numpy as np

cv2.setNumThreads(1)

SIZES = [(1920, 1080), (4000, 3000)]
PORTRAIT_HEIGHT = 0.8  # share of the picture's height
QUALITY = 90
SEED = 1
# Background: noise of several grain sizes (pixels) and amplitudes (levels).
TEXTURE = [(64, 40), (16, 15), (4, 8), (1, 4)]

CONFIDENCE_MIN = 0.7
OVERLAP_MAX = 0.3
# The ArcFace template for 112x112 (eyes, nose, mouth corners).
TEMPLATE = np.array(
    [[38.2946, 51.6963], [73.5318, 51.5014], [56.0252, 71.7366], [41.5493, 92.3655], [70.7299, 92.2041]]
)
# Which of the 68 landmarks make which of the five points.
FIVE = [[37, 38, 40, 41], [43, 44, 46, 47], [30], [48, 60], [54, 64]]


def make(photo, folder):
    portrait = cv2.imread(photo)
    generator = np.random.default_rng(SEED)
    for width, height in SIZES:
        picture = np.full((height, width, 3), 128, np.float32)
        for grain, amplitude in TEXTURE:
            noise = generator.normal(size=(height // grain + 2, width // grain + 2, 3)).astype(np.float32)
            picture += amplitude * cv2.resize(noise, (width, height), interpolation=cv2.INTER_CUBIC)
        picture = np.clip(picture, 0, 255).astype(np.uint8)
        scale = height * PORTRAIT_HEIGHT / portrait.shape[0]
        large = cv2.resize(portrait, None, fx=scale, fy=scale, interpolation=cv2.INTER_CUBIC)
        large = large[:height, :width]
        top, left = (height - large.shape[0]) // 2, (width - large.shape[1]) // 2
        picture[top : top + large.shape[0], left : left + large.shape[1]] = large
        options = [
            cv2.IMWRITE_JPEG_QUALITY,
            QUALITY,
            cv2.IMWRITE_JPEG_SAMPLING_FACTOR,
            cv2.IMWRITE_JPEG_SAMPLING_FACTOR_420,
        ]
        cv2.imwrite(str(pathlib.Path(folder) / f"{width}x{height}.jpg"), picture, options)


class Peer:
    def __init__(self, models):
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.inter_op_num_threads = 1
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")

        def session(name):
            path = str(pathlib.Path(models) / name)
            return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])

        self.detector = session("fr_detect.onnx")
        self.landmarks = session("fr_landmark.onnx")
        self.embedder = session("fr_feature.onnx")
        self.canvas = np.empty((240, 320, 3), np.uint8)

    def template(self, photo):
        image = cv2.imdecode(photo, cv2.IMREAD_COLOR)
        left, top, width, height = self.detect(image)
        right, bottom = int(round(left + width)), int(round(top + height))
        left, top = max(int(round(left)), 0), max(int(round(top)), 0)
        crop = cv2.cvtColor(cv2.resize(image[top:bottom, left:right], (64, 64)), cv2.COLOR_BGR2GRAY)
        (points,) = self.landmarks.run(["output"], {"input": crop.astype(np.float32)[None, None] / 256})
        points = points.reshape(68, 2) * (right - left, bottom - top) + (left, top)
        five = np.array([points[which].mean(axis=0) for which in FIVE])
        face = cv2.warpAffine(image, similarity(five, TEMPLATE), (112, 112), flags=cv2.INTER_LINEAR)
        (vector,) = self.embedder.run(
            ["output"], {"input": cv2.dnn.blobFromImage(face, 1 / 128, mean=(127, 127, 127))}
        )
        vector = vector[0]
        return vector / np.linalg.norm(vector)

    def detect(self, image):
        height, width = image.shape[:2]
        scale = min(320 / width, 240 / height)
        small = cv2.resize(image, (round(width * scale), round(height * scale)))
        self.canvas.fill(127)
        self.canvas[: small.shape[0], : small.shape[1]] = small
        blob = cv2.dnn.blobFromImage(self.canvas, 1 / 128, mean=(127, 127, 127), swapRB=True)
        scores, boxes = self.detector.run(["scores", "boxes"], {"input": blob})
        sure = scores[0, :, 1] >= CONFIDENCE_MIN
        scores, boxes = scores[0, sure, 1], boxes[0, sure] * (320, 240, 320, 240) / scale
        boxes[:, 2:] -= boxes[:, :2]
        kept = boxes[np.asarray(cv2.dnn.NMSBoxes(boxes, scores, CONFIDENCE_MIN, OVERLAP_MAX)).ravel()]
        return kept[np.argmax(kept[:, 2] * kept[:, 3])]


def similarity(source, target):
    """The least-squares rotation, scale and shift, as a 2x3 matrix."""
    source_mean, target_mean = source.mean(axis=0), target.mean(axis=0)
    s, t = source - source_mean, target - target_mean
    # As complex numbers a similarity is one multiplication.
    s, t = s[:, 0] + 1j * s[:, 1], t[:, 0] + 1j * t[:, 1]
    turn = (np.conj(s) @ t) / (np.conj(s) @ s).real
    linear = np.array([[turn.real, -turn.imag], [turn.imag, turn.real]])
    return np.column_stack([linear, target_mean - linear @ source_mean])


REDUCED = {
    1: cv2.IMREAD_COLOR,
    2: cv2.IMREAD_REDUCED_COLOR_2,
    4: cv2.IMREAD_REDUCED_COLOR_4,
    8: cv2.IMREAD_REDUCED_COLOR_8,
}


def work(models):
    peer = Peer(models)
    for line in sys.stdin:
        task = json.loads(line)
        photo = np.fromfile(task["path"], np.uint8)
        done = {"ms": []}
        for _ in range(task["times"]):
            begun = time.perf_counter()
            if task["do"] == "decode":
                cv2.imdecode(photo, REDUCED[task["denominator"]])
            else:
                template = peer.template(photo)
            done["ms"].append((time.perf_counter() - begun) * 1e3)
        if task["do"] == "template":
            done["template"] = template.tolist()
        print(json.dumps(done), flush=True)


if __name__ == "__main__":
    {"make": make, "work": work}[sys.argv[1]](*sys.argv[2:])
