#include "decoder_layout.h"

#include "strop/result.h"

namespace strop::convert {

std::vector<TensorPlan> decoder_tensors(const formats::HuggingFaceConfig& config) {
  const std::uint64_t width = config.width, feed_forward = config.feed_forward;
  const std::uint64_t query_width = std::uint64_t{config.heads} * config.head_width;
  const std::uint64_t kv_width = std::uint64_t{config.kv_heads} * config.head_width;
  std::vector<TensorPlan> plan{
      {"model.embed_tokens.weight", "token_embd.weight", {config.vocabulary, width}}};
  if (!config.tied_embeddings)
    plan.push_back({"lm_head.weight", "output.weight", {config.vocabulary, width}});
  for (std::uint32_t layer = 0; layer < config.layers; ++layer) {
    const std::string source = str("model.layers.", layer, "."), name = str("blk.", layer, ".");
    plan.push_back({source + "input_layernorm.weight", name + "attn_norm.weight", {width}});
    plan.push_back(
        {source + "mlp.down_proj.weight", name + "ffn_down.weight", {width, feed_forward}});
    plan.push_back(
        {source + "mlp.gate_proj.weight", name + "ffn_gate.weight", {feed_forward, width}});
    plan.push_back({source + "mlp.up_proj.weight", name + "ffn_up.weight", {feed_forward, width}});
    plan.push_back({source + "post_attention_layernorm.weight", name + "ffn_norm.weight", {width}});
    plan.push_back({source + "self_attn.k_proj.weight",
                    name + "attn_k.weight",
                    {kv_width, width},
                    config.kv_heads});
    plan.push_back(
        {source + "self_attn.o_proj.weight", name + "attn_output.weight", {width, query_width}});
    plan.push_back({source + "self_attn.q_proj.weight",
                    name + "attn_q.weight",
                    {query_width, width},
                    config.heads});
    plan.push_back({source + "self_attn.v_proj.weight", name + "attn_v.weight", {kv_width, width}});
  }
  plan.push_back({"model.norm.weight", "output_norm.weight", {width}});
  return plan;
}

std::uint64_t source_row(std::uint64_t row, std::uint64_t rows, std::uint32_t heads) {
  const std::uint64_t head_rows = rows / heads, half = head_rows / 2;
  const std::uint64_t head = row / head_rows, inside = row % head_rows;
  return head * head_rows + inside % 2 * half + inside / 2;
}

bool is_ignored(const std::string& source) {
  return source.ends_with(".attention.masked_bias") || source.ends_with(".attention.bias") ||
         source.ends_with(".rotary_emb.inv_freq");
}

}  // namespace strop::convert
