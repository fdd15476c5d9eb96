// Requests to a model of tensors: inferences of one sample, one after the other.
#pragma once

#include <span>
#include <stop_token>
#include <string>
#include <vector>

#include "core/proxy.h"
#include "measure/batching.h"
#include "measure/speed.h"
#include "measure/tensor_quality.h"
#include "strop/backend.h"

namespace strop::pipeline {

// Of the first samples the one of middle size: what a user's usual request is like. invalid_input
// where there is none.
Result<std::vector<Tensor>> usual_sample(std::uint32_t available,
                                         const measure::SampleSource& sample);

std::uint64_t bytes_of(std::span<const Tensor> tensors);

// Seconds of a few inferences, after one that does not count.
Result<std::vector<double>> trial_seconds(TensorSession& session, std::span<const Tensor> sample);

// How many inferences make a request, where one takes so long.
std::uint32_t inferences_of_request(double seconds);

Result<measure::Request> timed_inferences(TensorSession& session, std::span<const Tensor> sample,
                                          std::uint32_t count, const std::stop_token& stop);

// As a request. The sample must outlive it, and the worker have a function of tensors.
measure::Contestant inferring(const std::string& name, WorkerSession& worker,
                              std::span<const Tensor> sample, std::uint32_t count,
                              std::stop_token stop);

// Where the model says that the first dimension of every input may be of any size.
bool is_batchable(const Model& model);

// The sample several times at once, as often as pays and fits the worker's block. Fails with
// unsupported where the outputs are no batch.
Result<measure::Batching> best_batch_of(WorkerSession& worker, const std::vector<Tensor>& sample,
                                        const std::stop_token& stop);

}  // namespace strop::pipeline
