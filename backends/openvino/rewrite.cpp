#include "rewrite.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <openvino/core/graph_util.hpp>
#include <openvino/op/ops.hpp>
#include <optional>
#include <regex>
#include <set>

namespace strop::openvino {
namespace {

namespace v0 = ov::op::v0;
namespace v1 = ov::op::v1;
namespace v3 = ov::op::v3;
namespace v4 = ov::op::v4;
namespace v6 = ov::op::v6;
namespace v8 = ov::op::v8;
namespace v13 = ov::op::v13;

constexpr std::uint32_t kMostPositions = 1u << 24;
constexpr auto kCosTable = "rope_cos_table";
constexpr auto kSinTable = "rope_sin_table";

Error unknown_graph(const std::string& what) {
  return {ErrorCode::unsupported,
          str("[openvino] the model's graph is not as expected: ", what, "."),
          "This kind of position encoding or output needs support in Strop."};
}

template <class Op>
std::shared_ptr<Op> producer(const ov::Output<ov::Node>& output) {
  return ov::as_type_ptr<Op>(output.get_node_shared_ptr());
}

// The only operation of its kind.
template <class Op>
std::shared_ptr<Op> only(const ov::Model& model) {
  std::shared_ptr<Op> found;
  for (const auto& node : model.get_ordered_ops()) {
    const auto op = ov::as_type_ptr<Op>(node);
    if (op && found) return nullptr;
    if (op) found = op;
  }
  return found;
}

std::shared_ptr<v0::Parameter> parameter_named(const ov::Model& model, const std::string& name) {
  for (const auto& parameter : model.get_parameters()) {
    const auto& names = parameter->output(0).get_names();
    if (parameter->get_friendly_name() == name || names.count(name) != 0) return parameter;
  }
  return nullptr;
}

// A product of a constant and something else.
struct Scaled {
  std::vector<double> factors;
  ov::Output<ov::Node> rest;
};

std::optional<Scaled> scaled(const ov::Output<ov::Node>& output) {
  const auto product = producer<v1::Multiply>(output);
  if (!product) return std::nullopt;
  for (const std::size_t side : {0U, 1U}) {
    const auto constant = producer<v0::Constant>(product->input_value(side));
    if (constant) return Scaled{constant->cast_vector<double>(), product->input_value(1 - side)};
  }
  return std::nullopt;
}

// What the two functions are computed from: frequency of each pair, and the positions as whole
// numbers.
struct Angles {
  std::vector<double> frequencies;
  std::shared_ptr<v1::Transpose> order;
  std::shared_ptr<v0::Parameter> positions;
};

Result<Angles> angles_of(const ov::Model& model, const v0::Cos& cos, const v0::Sin& sin) {
  if (cos.input_value(0) != sin.input_value(0))
    return unknown_graph("cosine and sine are of different angles");
  const auto outer = scaled(cos.input_value(0));
  if (!outer || outer->factors.size() != 1) return unknown_graph("angles have no common scale");
  const auto inner = scaled(outer->rest);
  if (!inner || inner->factors.empty()) return unknown_graph("angles have no frequencies");
  const auto order = producer<v1::Transpose>(inner->rest);
  const auto convert = order ? producer<v0::Convert>(order->input_value(0)) : nullptr;
  const auto positions = convert ? producer<v0::Parameter>(convert->input_value(0)) : nullptr;
  if (!positions || positions != parameter_named(model, "inp_pos"))
    return unknown_graph("angles are not computed from the positions");
  const auto& shape = cos.get_output_partial_shape(0);
  const auto width = static_cast<std::int64_t>(inner->factors.size());
  if (shape.rank() != 4 || shape[3] != width || shape[2] != 1)
    return unknown_graph("angles are not of shape [1, positions, 1, pairs]");
  Angles angles{inner->factors, order, positions};
  for (double& frequency : angles.frequencies) frequency *= outer->factors[0];
  return angles;
}

std::shared_ptr<v0::Constant> table(const char* name, double (*function)(double),
                                    const std::vector<double>& frequencies, std::uint32_t rows) {
  std::vector<float> values;
  values.reserve(rows * frequencies.size());
  for (std::uint32_t row = 0; row < rows; ++row) {
    for (const double frequency : frequencies)
      values.push_back(static_cast<float>(function(row * frequency)));
  }
  auto constant =
      v0::Constant::create(ov::element::f32, ov::Shape{rows, frequencies.size()}, values);
  constant->set_friendly_name(name);
  return constant;
}

std::shared_ptr<v0::Constant> whole_numbers(const std::vector<std::int64_t>& values) {
  return v0::Constant::create(ov::element::i64, ov::Shape{values.size()}, values);
}

std::shared_ptr<v0::Constant> whole_number(std::int64_t value) {
  return v0::Constant::create(ov::element::i64, ov::Shape{}, {value});
}

// Where one row per wanted position is picked: Unsqueeze(Gather(Squeeze(rows),
// Squeeze(inp_out_ids))).
struct Selection {
  ov::Output<ov::Node> rows;
  std::shared_ptr<v0::Unsqueeze> picked;
};

Result<Selection> selection_by(const ov::Input<ov::Node>& use) {
  const auto refused = unknown_graph("rows are not picked by one Gather");
  const auto index = use.get_node()->shared_from_this();
  if (!ov::is_type<v0::Squeeze>(index)) return refused;
  const auto index_users = index->output(0).get_target_inputs();
  if (index_users.size() != 1) return refused;
  const auto gather =
      ov::as_type_ptr<v8::Gather>(index_users.begin()->get_node()->shared_from_this());
  if (!gather || gather->input_value(1).get_node() != index.get()) return refused;
  const auto rows = producer<v0::Squeeze>(gather->input_value(0));
  const auto users = gather->output(0).get_target_inputs();
  if (!rows || users.size() != 1) return refused;
  const auto picked = ov::as_type_ptr<v0::Unsqueeze>(users.begin()->get_node()->shared_from_this());
  if (!picked) return refused;
  return Selection{rows->input_value(0), picked};
}

// The product that gives the logits, directly before the model's only result.
std::shared_ptr<v0::MatMul> final_product(const ov::Model& model) {
  if (model.get_results().size() != 1) return nullptr;
  return producer<v0::MatMul>(model.get_results()[0]->input_value(0));
}

// One dimension of a shape, as [1].
std::shared_ptr<ov::Node> dimension(const std::shared_ptr<ov::Node>& shape, std::int64_t index) {
  return std::make_shared<v8::Gather>(shape, whole_numbers({index}), whole_number(0));
}

// States begin as [batch, 0, heads, width], not as [1, 0, heads, width].
Result<void> empty_rows_for_each(const std::shared_ptr<ov::Node>& batch, ov::Model& model) {
  for (const auto& node : model.get_ordered_ops()) {
    const auto state = ov::as_type_ptr<v6::ReadValue>(node);
    if (!state) continue;
    const auto empty = producer<v0::Constant>(state->input_value(0));
    auto info = state->get_variable()->get_info();
    auto& shape = info.data_shape;
    if (!empty || shape.rank() != 4 || shape[0] != 1 || empty->get_shape().size() != 4 ||
        empty->get_shape()[1] != 0 || shape[2].is_dynamic() || shape[3].is_dynamic())
      return unknown_graph("a state does not begin as [1, 0, heads, width]");
    const auto rest = whole_numbers({0, shape[2].get_length(), shape[3].get_length()});
    const auto dimensions = std::make_shared<v0::Concat>(ov::OutputVector{batch, rest}, 0);
    const auto zero = v0::Constant::create(info.data_type, ov::Shape{}, {0});
    state->input(0).replace_source_output(std::make_shared<v3::Broadcast>(zero, dimensions));
    shape[0] = ov::Dimension::dynamic();
    state->get_variable()->update(info);
  }
  return {};
}

// What every attention adds to its products: Convert(Reshape(Select(position is behind, 0, very
// negative))), one row for each position of all sequences together.
struct Mask {
  std::shared_ptr<v0::Convert> values;
  ov::Output<ov::Node> seen, hidden;
};

Result<Mask> mask_of(const ov::Model& model) {
  const auto refused = unknown_graph("attentions do not share one mask made of positions");
  std::set<ov::Node*> masks;
  for (const auto& node : model.get_ordered_ops()) {
    if (!ov::is_type<v13::ScaledDotProductAttention>(node)) continue;
    if (node->get_input_size() < 4) return refused;
    masks.insert(node->input_value(3).get_node());
  }
  if (masks.size() != 1) return refused;
  const auto values = ov::as_type_ptr<v0::Convert>((*masks.begin())->shared_from_this());
  const auto shaped = values ? producer<v1::Reshape>(values->input_value(0)) : nullptr;
  const auto select = shaped ? producer<v1::Select>(shaped->input_value(0)) : nullptr;
  if (!select || !producer<v1::LessEqual>(select->input_value(0))) return refused;
  return Mask{values, select->input_value(1), select->input_value(2)};
}

// [batch, 1, tokens, all tokens]: what lies behind a token in its own sequence and is present
// there.
std::shared_ptr<ov::Node> mask_for_each(const Mask& mask,
                                        const std::shared_ptr<ov::Node>& shape_of_ids,
                                        const std::shared_ptr<v0::Parameter>& present) {
  const auto one = whole_number(1);
  const auto scalar = [](const std::shared_ptr<ov::Node>& dimension) {
    return std::make_shared<v0::Squeeze>(dimension, whole_numbers({0}));
  };
  const auto all = scalar(dimension(std::make_shared<v3::ShapeOf>(present, ov::element::i64), 1));
  const auto fresh = scalar(dimension(shape_of_ids, 1));
  const auto held = std::make_shared<v1::Subtract>(all, fresh);
  const auto range = [&](const std::shared_ptr<ov::Node>& begin) {
    return std::make_shared<v4::Range>(begin, all, one, ov::element::i64);
  };
  const auto keys = range(whole_number(0));  // [all tokens]
  const auto tokens = std::make_shared<v0::Unsqueeze>(range(held), whole_numbers({1}));
  const auto behind = std::make_shared<v1::LessEqual>(keys, tokens);  // [tokens, all tokens]
  const auto there = std::make_shared<v0::Unsqueeze>(
      std::make_shared<v1::NotEqual>(present, whole_number(0)), whole_numbers({1, 2}));
  return std::make_shared<v1::Select>(std::make_shared<v1::LogicalAnd>(behind, there), mask.seen,
                                      mask.hidden);
}

bool is_table(const ov::Node& node) {
  return node.get_friendly_name() == kCosTable || node.get_friendly_name() == kSinTable;
}

}  // namespace

Result<void> use_rope_tables(ov::Model& model, std::uint32_t context) {
  const auto cos = only<v0::Cos>(model);
  const auto sin = only<v0::Sin>(model);
  if (!cos || !sin) return unknown_graph("it must have exactly one cosine and one sine");
  STROP_TRY(const auto angles, angles_of(model, *cos, *sin));
  // [1, 1, 1, positions] -> [1, positions, 1], so that a Gather adds the pairs as last dimension.
  const auto ordered =
      std::make_shared<v1::Transpose>(angles.positions, angles.order->input_value(1));
  const auto index = std::make_shared<v0::Squeeze>(ordered, whole_numbers({3}));
  const auto rows_of = [&](const std::shared_ptr<v0::Constant>& constant) {
    return std::make_shared<v8::Gather>(constant, index, whole_number(0));
  };
  ov::replace_node(cos, rows_of(table(kCosTable, std::cos, angles.frequencies, context)));
  ov::replace_node(sin, rows_of(table(kSinTable, std::sin, angles.frequencies, context)));
  model.validate_nodes_and_infer_types();
  return {};
}

Result<void> keep_every_position(ov::Model& model) {
  const auto wanted = parameter_named(model, "inp_out_ids");
  if (!wanted) return unknown_graph("there is no input for the wanted positions");
  const auto uses = wanted->output(0).get_target_inputs();
  if (uses.empty()) return unknown_graph("the input for the wanted positions has no use");
  for (const auto& use : uses) {
    STROP_TRY(const auto selection, selection_by(use));
    if (!selection.rows.get_partial_shape().same_scheme(
            selection.picked->get_output_partial_shape(0)))
      return unknown_graph("picking rows changes their shape");
    selection.picked->output(0).replace(selection.rows);
  }
  model.validate_nodes_and_infer_types();
  return {};
}

Result<void> end_with_logits(ov::Model& model) {
  if (model.get_results().size() != 1) return unknown_graph("it must have one output");
  const auto result = model.get_results()[0];
  const auto shaped = producer<v1::Reshape>(result->input_value(0));
  const auto product = shaped ? producer<v0::MatMul>(shaped->input_value(0)) : nullptr;
  if (!product) return unknown_graph("the output is not a reshaped product");
  const auto rows = product->input_value(0);
  const auto& shape = rows.get_partial_shape();
  if (shape.rank() != 4 || shape[1] != 1)
    return unknown_graph("the last rows are not of shape [batch, 1, positions, width]");
  product->input(0).replace_source_output(std::make_shared<v0::Squeeze>(rows, whole_numbers({1})));
  result->input(0).replace_source_output(product->output(0));
  product->output(0).set_names({"logits"});
  result->set_friendly_name("logits");
  model.validate_nodes_and_infer_types();
  return {};
}

Result<void> keep_every_sequence(ov::Model& model) {
  const auto ids = parameter_named(model, "input_ids");
  const auto present = parameter_named(model, "attention_mask");
  if (!ids || !present) return unknown_graph("there is no input for the tokens or their mask");
  const auto shape = std::make_shared<v3::ShapeOf>(ids, ov::element::i64);
  STROP_CHECK(empty_rows_for_each(dimension(shape, 0), model));
  STROP_TRY(const auto mask, mask_of(model));
  mask.values->input(0).replace_source_output(mask_for_each(mask, shape, present));
  model.validate_nodes_and_infer_types();
  return {};
}

bool keeps_several_sequences(const ov::Model& model) {
  const auto& states = model.get_variables();
  return !states.empty() && std::all_of(states.begin(), states.end(), [](const auto& state) {
    const auto& shape = state->get_info().data_shape;
    return shape.rank().is_dynamic() || shape[0].is_dynamic();
  });
}

void name_operations(ov::Model& model) {
  static const std::regex kCounted("[A-Za-z0-9]+_[0-9]+(_.*)?");  // Multiply_5449_blk.29.ffn_norm
  std::size_t number = 0;
  for (const auto& node : model.get_ordered_ops()) {
    ++number;
    std::smatch parts;
    const auto name = node->get_friendly_name();
    if (std::regex_match(name, parts, kCounted))
      node->set_friendly_name(str(node->get_type_name(), "_", number, parts[1].str()));
  }
}

bool is_text_decoder(const ov::Model& model) {
  const auto has = [&](const std::string& name) {
    const auto& inputs = model.inputs();
    return std::any_of(inputs.begin(), inputs.end(),
                       [&](const auto& input) { return input.get_names().count(name) != 0; });
  };
  return has("input_ids") && has("beam_idx");
}

Result<std::uint32_t> rope_table_rows(const ov::Model& model) {
  std::set<std::size_t> rows;
  std::size_t tables = 0;
  for (const auto& node : model.get_ordered_ops()) {
    if (!is_table(*node)) continue;
    if (!ov::is_type<v0::Constant>(node) || node->get_element_type() != ov::element::f32)
      return Error{ErrorCode::corrupt, "[openvino] the position tables are not f32 any more."};
    rows.insert(node->get_output_shape(0)[0]);
    ++tables;
  }
  if (tables != 2 || rows.size() != 1) {
    return Error{ErrorCode::unsupported,
                 "[openvino] the model has no position tables, so it would be wrong in bf16.",
                 "Let Strop make the artifact from the original."};
  }
  return static_cast<std::uint32_t>(*rows.begin());
}

Result<std::uint32_t> most_positions(const ov::Model& model) {
  const std::vector<std::string> place{"strop", "context_length"};
  if (!model.has_rt_info(place)) return rope_table_rows(model);
  const auto& text = model.get_rt_info<std::string>(place);
  std::uint32_t positions = 0;
  const char* end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, positions);
  if (error == std::errc() && stop == end && positions >= 1 && positions <= kMostPositions)
    return positions;
  return Error{ErrorCode::corrupt,
               str("[openvino] strop.context_length in the IR must be a whole number from 1 to ",
                   kMostPositions, ", but is ", text.substr(0, 40), "."),
               {},
               "context_length",
               text.substr(0, 40)};
}

Result<void> select_wanted_rows(ov::Model& model) {
  const auto product = final_product(model);
  if (!product || product->get_input_partial_shape(0).rank() != 3)
    return unknown_graph("the output is not a product on [batch, positions, width]");
  const auto wanted = std::make_shared<v0::Parameter>(ov::element::i32, ov::PartialShape{-1});
  wanted->set_friendly_name("wanted_rows");
  wanted->output(0).set_names({"wanted_rows"});
  const auto picked =
      std::make_shared<v8::Gather>(product->input_value(0), wanted, whole_number(1));
  product->input(0).replace_source_output(picked);
  model.add_parameters({wanted});
  model.validate_nodes_and_infer_types();
  return {};
}

}  // namespace strop::openvino
