// What a model of OpenVINO's GGUF frontend needs to be right and to serve both a generator and the
// quality ruler. Each function knows one pattern of that frontend exactly and refuses everything
// else.
#pragma once

#include <cstdint>
#include <openvino/core/model.hpp>

#include "strop/result.h"

namespace strop::openvino {

// Before AdaptToGenAI. Positions times frequencies, computed in bf16, are wrong beyond the first
// hundred positions, so cosine and sine come from f32 tables of `context` rows instead.
Result<void> use_rope_tables(ov::Model& model, std::uint32_t context);

// Before AdaptToGenAI, which would keep the last position only: every position gets logits.
Result<void> keep_every_position(ov::Model& model);

// After AdaptToGenAI. Makes the product with the output weights the last operation, on [batch,
// positions, width]: the form in which OpenVINO GenAI recognises it and cuts off the positions that
// it does not need.
Result<void> end_with_logits(ov::Model& model);

// After AdaptToGenAI, whose graph is right for one sequence at a time. The states of keys and
// values begin with one empty row per sequence of input_ids, and each sequence has a mask of its
// own, which leaves out what attention_mask does, so that several can be computed together.
Result<void> keep_every_sequence(ov::Model& model);

// Whether the states have as many rows as there are sequences.
bool keeps_several_sequences(const ov::Model& model);

// Counts operations anew in their names, so that a file does not depend on what the process did
// before.
void name_operations(ov::Model& model);

// Whether it has the inputs of OpenVINO GenAI's decoders.
bool is_text_decoder(const ov::Model& model);

// Rows of the f32 tables; corrupt when they are not there or of another type.
Result<std::uint32_t> rope_table_rows(const ov::Model& model);

// How many positions a decoder was made for: the rows of its tables, or what the file says where it
// has none because it was exported another way.
Result<std::uint32_t> most_positions(const ov::Model& model);

// On a loaded model: adds the input `wanted_rows`, positions whose logits are computed, as a
// generator would do.
Result<void> select_wanted_rows(ov::Model& model);

}  // namespace strop::openvino
