#!returnn/rnn.py
# A recogniser of the 12AX task, as RETURNN's demo has it: which of nine symbols of a sequence end a pattern.
use_tensorflow = True
task = "train"
target = "classes"

train = {"class": "Task12AXDataset", "num_seqs": 500}
dev = {"class": "Task12AXDataset", "num_seqs": 100, "fixed_random_seed": 1}
num_inputs, num_outputs = 9, 2
extern_data = {"data": (num_inputs, 2), "classes": (num_outputs, 1)}

network = {
    "lstm_fw": {"class": "rec", "unit": "nativelstm2", "n_out": 20, "direction": 1, "L2": 0.001},
    "lstm_bw": {"class": "rec", "unit": "nativelstm2", "n_out": 20, "direction": -1, "L2": 0.001},
    "output": {"class": "softmax", "loss": "ce", "from": ["lstm_fw", "lstm_bw"]},
}

batching = "random"
batch_size = 5000
max_seqs = 10
chunking = "200:200"
optimizer = {"class": "adam"}
gradient_clip = 0
learning_rate = 0.01
learning_rate_control = "newbob"
learning_rate_control_relative_error_relative_lr = True
learning_rate_file = "newbob.data"
model = "net/model"
num_epochs = 3
