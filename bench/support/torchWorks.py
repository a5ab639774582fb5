"""The same networks in PyTorch, one thread. Reads a work a line, answers milliseconds a line."""
import json, sys, time
import torch

torch.set_num_threads(1)
try:
    torch.set_num_interop_threads(1)
except RuntimeError:
    pass


class Recurrent(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.lstm = torch.nn.LSTM(10, 128, 3, batch_first=True)
        self.head = torch.nn.Linear(128, 1)

    def forward(self, x):
        return self.head(self.lstm(x)[0][:, -1])


class Convolutional(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.a = torch.nn.Conv1d(5, 64, 3, padding=1)
        self.b = torch.nn.Conv1d(64, 64, 3, padding=1)
        self.head = torch.nn.Linear(6400, 14)

    def forward(self, x):
        h = torch.relu(self.b(torch.relu(self.a(x.transpose(1, 2)))))
        return self.head(h.flatten(1))


class Transformer(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.into = torch.nn.Linear(10, 256)
        self.positions = torch.nn.Parameter(torch.randn(60, 256) * 0.02)
        layer = torch.nn.TransformerEncoderLayer(256, 8, 1024, 0.1, "gelu", batch_first=True, norm_first=True)
        self.encoder = torch.nn.TransformerEncoder(layer, 4, torch.nn.LayerNorm(256))
        self.head = torch.nn.Linear(256, 1)

    def forward(self, x):
        return self.head(self.encoder(self.into(x) + self.positions).mean(1))


def perceptron():
    return torch.nn.Sequential(
        torch.nn.Flatten(),
        torch.nn.Linear(10, 128), torch.nn.ReLU(),
        torch.nn.Linear(128, 128), torch.nn.ReLU(),
        torch.nn.Linear(128, 3),
    )


works = {
    "lstm": (Recurrent, (60, 10), 1),
    "cnn": (Convolutional, (100, 5), 14),
    "dqn": (perceptron, (1, 10), 3),
    "transformer": (Transformer, (60, 10), 1),
}
ready = {}


def prepare(name):
    if name not in ready:
        make, shape, out = works[name]
        torch.manual_seed(1)
        net = make()
        ready[name] = (net, torch.optim.Adam(net.parameters(), lr=1e-3), shape, out)
    return ready[name]


def train(name, steps):
    net, optimiser, shape, out = prepare(name)
    net.train()
    x = torch.randn(32, *shape)
    y = torch.randn(32, out)
    if name == "cnn":
        y = torch.nn.functional.one_hot(torch.arange(32) % out, out).float()
    begin = time.perf_counter()
    for _ in range(steps):
        optimiser.zero_grad()
        output = net(x)
        if name == "cnn":
            loss = torch.nn.functional.cross_entropy(output, y)
        else:
            loss = torch.nn.functional.mse_loss(output, y)
        loss.backward()
        optimiser.step()
    return (time.perf_counter() - begin) / steps * 1e3


def predict(name, rows, runs):
    net, _, shape, _ = prepare(name)
    net.eval()
    x = torch.randn(rows, *shape)
    with torch.no_grad():
        begin = time.perf_counter()
        for _ in range(runs):
            net(x)
    return (time.perf_counter() - begin) / runs * 1e3


def libraries():
    """What computes: the build's own words name the interface alone."""
    try:
        with open("/proc/self/maps") as maps:
            paths = {line.split()[-1] for line in maps if "/" in line}
    except OSError:
        return []
    names = {path.rsplit("/", 1)[-1] for path in paths}
    return sorted(name for name in names if any(part in name for part in ("openblas", "mkl", "dnnl")))


print(json.dumps({"version": torch.__version__, "libraries": libraries()}), flush=True)
for line in sys.stdin:
    work = json.loads(line)
    if "steps" in work:
        print(train(work["name"], work["steps"]), flush=True)
    else:
        print(predict(work["name"], work["rows"], work["runs"]), flush=True)
