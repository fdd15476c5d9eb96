// What the inputs and outputs of a graph tell about the model.
#pragma once

#include <vector>

#include "strop/model.h"

namespace strop::formats {

// vision: an input of images, four dimensions of which the second or the last is 1, 3 or 4
// channels. embedding: token ids in, and no row of logits or class scores out (no output that ends
// in a dimension of any size or is named logits). Everything else is other: shapes do not tell
// more.
ModelKind kind_of_graph(const std::vector<Port>& inputs, const std::vector<Port>& outputs);

// The inputs of a BERT-type encoder: input_ids, and no more than attention_mask and
// token_type_ids beside it, all i64 in two dimensions.
bool takes_token_ids(const std::vector<Port>& inputs);

}  // namespace strop::formats
