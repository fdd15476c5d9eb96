#include "core/protocol.h"

namespace strop::protocol {
namespace {

template <class Params, class Result>
Json method() {
  return {{"params", strop::schema<Params>()}, {"result", strop::schema<Result>()}};
}

}  // namespace

Json schema() {
  const Json hello = method<Hello, Greeting>();
  return {{"version", kVersion},
          {"backend",
           {{"hello", hello},
            {"info", method<Nothing, BackendInfo>()},
            {"assess", method<Pair, Fit>()},
            {"space", method<Pair, RecipeSpace>()},
            {"build", method<Build, Artifact>()},
            {"open", method<Open, Opened>()},
            {"evaluate", method<Evaluate, Rows>()},
            {"generate", method<Generate, Generation>()},
            {"generate_together", method<GenerateTogether, Generations>()},
            {"truncate", method<Truncate, Nothing>()},
            {"fork", method<Fork, Nothing>()},
            {"infer", method<Inputs, Outputs>()}}},
          {"text",
           {{"hello", hello},
            {"info", method<Nothing, BackendInfo>()},
            {"open", method<Vocabulary, TokenizerInfo>()},
            {"encode", method<Encode, Ids>()},
            {"decode", method<Ids, Text>()},
            {"chat", method<Chat, Text>()}}},
          {"error", strop::schema<Error>()}};
}

}  // namespace strop::protocol
