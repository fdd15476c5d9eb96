#include "formats/onnx_graph.h"

#include <cstdlib>

#include "scratch_folder.h"

using namespace strop;

namespace {

// What a rewriter reads of a constant: its bytes as they are, and its numbers.
void read(const formats::OnnxTensor& tensor) {
  fuzz::touch(tensor.encoded);
  fuzz::touch(tensor.data);
  constexpr std::uint64_t kFloat = 1;
  const bool numbers = tensor.type == kFloat && !tensor.data.empty();
  if (numbers && tensor.floats().size() != tensor.elements()) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const fuzz::ScratchFolder folder;
  static const auto external =
      folder.write("data.bin", reinterpret_cast<const std::uint8_t*>("12345678"), 8);
  const auto graph = formats::OnnxGraph::open(folder.write("m.onnx", data, size));
  if (!graph) return 0;
  for (const auto& node : graph->nodes()) {
    (void)formats::renamed(node, node.inputs, node.outputs);
    if (node.value) read(*node.value);
  }
  for (const auto& [name, tensor] : graph->constants()) read(tensor);
  for (const auto& port : graph->inputs()) fuzz::touch(port.encoded);
  for (const auto& port : graph->outputs()) fuzz::touch(port.encoded);
  for (const auto bytes : graph->graph_rest()) fuzz::touch(bytes);
  for (const auto bytes : graph->model_rest()) fuzz::touch(bytes);
  return 0;
}
