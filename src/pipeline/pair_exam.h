// What two artifacts are both asked when they are compared: the request that is timed, and the
// questions that tell how far apart their answers are. One for models of text, one for models of
// tensors; contrast.cpp knows neither.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "pipeline/context.h"
#include "pipeline/difference.h"

namespace strop::pipeline {

class PairExam {
 public:
  virtual ~PairExam() = default;
  // Does the timed request.
  virtual measure::Contestant contestant(const std::string& name, WorkerSession& worker,
                                         std::stop_token stop) const = 0;
  // What the requests' moments say, besides how long a request took.
  virtual std::vector<Difference> parts_of_request(const measure::Timing& timing,
                                                   double margin) const = 0;
  // How far the second's answers are from the first's, and who does better, in about so many
  // seconds. timing: of the request, for what a question costs.
  virtual Result<std::vector<Difference>> quality(WorkerSession& first, WorkerSession& second,
                                                  const measure::Timing& timing, double margin,
                                                  double seconds, Context& context) const = 0;
  // What a reader must know of the questions; empty: nothing.
  virtual std::string warning() const = 0;
};

// Of two decoders.
Result<std::unique_ptr<PairExam>> make_text_pair_exam(const Artifact& first, WorkerSession& one,
                                                      const Artifact& second, WorkerSession& other,
                                                      Context& context);
// Of two functions of tensors: samples of --data, or of Strop's own text for an encoder, or those
// of the golden record beside the first. invalid_input where there are none.
Result<std::unique_ptr<PairExam>> make_sample_pair_exam(const Artifact& first, WorkerSession& one,
                                                        Context& context);

}  // namespace strop::pipeline
