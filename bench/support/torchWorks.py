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


def norm(x):
    return x * torch.rsqrt((x * x).mean(-1, keepdim=True) + 1e-5)


def stable(v):
    return torch.where(v >= 0, v + 1, 1 / (1 - v.clamp(max=0)))


class Block(torch.nn.Module):
    def __init__(self, width, heads, inner):
        super().__init__()
        self.heads = heads
        self.qkv = torch.nn.Linear(width, 3 * width, bias=False)
        self.out = torch.nn.Linear(width, width, bias=False)
        self.gate_up = torch.nn.Linear(width, 2 * inner, bias=False)
        self.down = torch.nn.Linear(inner, width, bias=False)

    def forward(self, h):
        rows, places, width = h.shape
        q, k, v = self.qkv(h).view(rows, places, 3, self.heads, width // self.heads).permute(2, 0, 3, 1, 4)
        seen = torch.softmax(q @ k.transpose(-1, -2) / (width // self.heads) ** 0.5, -1) @ v
        h = norm(h + self.out(seen.transpose(1, 2).reshape(rows, places, width)))
        gate, up = self.gate_up(h).chunk(2, -1)
        return norm(h + self.down(torch.nn.functional.silu(gate) * up))


class Recursive(torch.nn.Module):
    """A Tiny Recursive Model over ten features: T = 3, n = 6, two layers of width 64, eight classes."""

    def __init__(self):
        super().__init__()
        width = 64
        self.vectors = torch.nn.Parameter(torch.randn(10, width) / 8)
        self.biases = torch.nn.Parameter(torch.randn(10, width) / 8)
        self.read = torch.nn.Parameter(torch.randn(1, width) / 8)
        self.layers = torch.nn.ModuleList([Block(width, 4, 256) for _ in range(2)])
        self.head = torch.nn.Linear(width, 8, bias=False)
        self.halt = torch.nn.Linear(width, 1)
        self.state = (torch.randn(width), torch.randn(width))

    def f(self, h, injection):
        h = h + injection
        for layer in self.layers:
            h = layer(h)
        return h

    def recursion(self, x, y, z):
        injection = y + x
        for _ in range(6):
            z = self.f(z, injection)
        return self.f(y, z), z

    def forward(self, inputs, y=None, z=None):
        tokens = inputs.unsqueeze(-1) * self.vectors + self.biases
        x = 8 * torch.cat([self.read.expand(inputs.shape[0], 1, -1), tokens], 1)
        y = self.state[0].expand_as(x) if y is None else y
        z = self.state[1].expand_as(x) if z is None else z
        with torch.no_grad():
            for _ in range(2):
                y, z = self.recursion(x, y, z)
        y, z = self.recursion(x, y, z)
        return self.head(y[:, 0]), self.halt(y[:, 0]).squeeze(-1), y, z


def recursive_loss(logits, halting, labels):
    s = stable(logits.double())
    answer = -(s.gather(1, labels[:, None]).squeeze(1).log() - s.sum(-1).log()).float()
    right = (logits.argmax(-1) == labels).float()
    halt = torch.nn.functional.binary_cross_entropy_with_logits(halting, right, reduction="none")
    return (answer + 0.5 * halt).mean()


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
    "trm": (Recursive, (10,), 8),
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
    labels = torch.arange(32) % out
    y_state = z_state = None
    begin = time.perf_counter()
    for _ in range(steps):
        optimiser.zero_grad()
        if name == "trm":
            logits, halting, y_state, z_state = net(x, y_state, z_state)
            recursive_loss(logits, halting, labels).backward()
            optimiser.step()
            y_state, z_state = y_state.detach(), z_state.detach()
            continue
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
