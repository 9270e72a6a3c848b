// SPDX-License-Identifier: Apache-2.0
// All that a program needs to build a network, train it sparse, judge it and keep it:
//
//   NetworkBuilder     layers by function calls (ops/build.h); graph_from_json() reads them from a file
//   Network            a graph with its patterns and weights (exec/network.h)
//   Executor           runs one: training steps, evaluation (exec/executor.h)
//   load_dataset()     samples (dataset/dataset.h), and Loader, batches of them (dataset/loader.h)
//   evaluate(), metrics_for()   how good it is (train/evaluate.h, train/metrics/metrics.h)
//   train()            a whole run by a recipe, kept on disk (train/trainer.h)
//   write_checkpoint(), read_checkpoint()
//
// Everything is in namespace coppice. Functions that can fail return Result<T> or Status with one sentence;
// nothing prints, throws or exits.
#pragma once

#include "base/env.h"
#include "base/result.h"
#include "dataset/dataset.h"
#include "dataset/loader.h"
#include "exec/executor.h"
#include "exec/network.h"
#include "models/graph_json.h"
#include "models/models.h"
#include "ops/build.h"
#include "train/checkpoint.h"
#include "train/evaluate.h"
#include "train/trainer.h"
