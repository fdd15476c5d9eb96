// What labels.csv or a labels JSON says about the chosen samples.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "strop/result.h"
#include "strop/samples.h"

namespace strop::data {

constexpr std::uint64_t kMaxLabelFile = 1ull << 30;

// `wanted`: the names of the chosen samples; labels of others are read past. A label is a class's
// index, a name of `classes`, or any number; with four more columns it is a box in pixels of the
// image, and a file may have many. `what` names the file in errors, which say the line.
Result<std::map<std::string, Label>> read_labels_csv(std::string_view text,
                                                     const std::vector<std::string>& wanted,
                                                     const std::vector<std::string>& classes,
                                                     const std::string& what);

// {"a.png": 3, "b.png": "cat", "c.png": [{"label": 1, "box": [x1, y1, x2, y2]}]}
Result<std::map<std::string, Label>> read_labels_json(std::string_view text,
                                                      const std::vector<std::string>& wanted,
                                                      const std::vector<std::string>& classes,
                                                      const std::string& what);

}  // namespace strop::data
