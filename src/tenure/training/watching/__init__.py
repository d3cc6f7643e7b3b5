"""What one sees of a training: a line of progress, scores and curves as files, a report, TensorBoard.

All of it listens to the events that a training tells its `watch`, and changes nothing of it:

    epoch      an epoch begins: epoch, rate, training
    step       a step is done: epoch, dataset, step, costs, sizes, batch, sequences; in training also rate
    evaluated  an epoch was trained, saved and evaluated: epoch, training
    end        the training is over, or was stopped: training
"""
