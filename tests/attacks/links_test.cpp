// Models with files beside them that lead elsewhere, and with words that are no text.
#include "attacks/refused.h"
#include "core/utf8.h"
#include "formats/hazards.h"
#include "formats/huggingface.h"
#include "formats/model_file.h"
#include "support/bytes.h"

namespace fs = std::filesystem;
using namespace strop;
using namespace strop::test;
using namespace strop::formats;

namespace {

std::vector<std::string> names_of(const std::vector<fs::path>& files) {
  std::vector<std::string> names;
  for (const fs::path& file : files) names.push_back(file.filename().string());
  return names;
}

Result<Model> ir(const std::string& layers, const std::string& edges = {}) {
  const TemporaryFolder folder;
  folder.write("m.bin", "x");
  return read_model(folder.write(
      "m.xml", "<net><layers>" + layers + "</layers><edges>" + edges + "</edges></net>"));
}

}  // namespace

TEST_CASE("a link beside a model to a file of another place describes nothing") {
  const TemporaryFolder outside, folder;
  const fs::path model = folder.write("m.gguf", "GGUF");
  folder.write("config.json", "{}");
  folder.write("deep/words", "{}");
  fs::create_symlink("deep/words", folder.path() / "tokenizer.json");
  fs::create_symlink(outside.write("id_rsa", "secret"), folder.path() / "vocab.txt");
  fs::create_symlink("/etc/passwd", folder.path() / "special_tokens_map.json");
  CHECK(names_of(descriptions_of_model(model)) ==
        std::vector<std::string>{"config.json", "tokenizer.json"});
}

TEST_CASE("a link in place of an IR's weights is no part of the model") {
  const TemporaryFolder outside, folder;
  const fs::path model = folder.write("m.xml", "<net/>");
  fs::create_symlink(outside.write("secret", "x"), folder.path() / "m.bin");
  CHECK_FALSE(read_model(model));
  const auto files = files_of_model(model, {.format = "openvino_ir"});
  REQUIRE(files);
  CHECK(*files == std::vector{model});
}

TEST_CASE("gguf: words that are not UTF-8, or without end") {
  GgufParts parts;
  parts.metadata = {gguf_entry("general.architecture", 8, counted("l\xffma")),
                    gguf_entry("general.license", 8, counted(std::string(100'000, 'l'))),
                    gguf_entry("general.name", 8, counted("caf\xe9"))};
  const TemporaryFolder folder;
  const auto model = read_model(folder.write("m.gguf", parts.bytes()));
  REQUIRE(model);
  CHECK(model->provenance == "caf\xEF\xBF\xBD");
  CHECK(model->license.size() <= 1024);
  CHECK_FALSE(invalid_utf8(model->architecture));
}

TEST_CASE("huggingface: a README that is not UTF-8, or cut within a character") {
  const TemporaryFolder folder;
  folder.write("README.md",
               "---\nlicense: \xff\nbase_model: " + std::string(99, 'x') + "\xc3\xa9\n---\n");
  CHECK_FALSE(invalid_utf8(read_license(folder.path())));
  CHECK_FALSE(invalid_utf8(read_base_model(folder.path())));
}

TEST_CASE("ir: types and names that are not UTF-8") {
  const auto typed =
      ir("<layer id=\"0\" name=\"x\" type=\"Parameter\"><data element_type=\"f\xff\"/></layer>"
         "<layer id=\"1\" name=\"c\" type=\"Const\">"
         "<data element_type=\"\xfe\" offset=\"0\" size=\"1\"/></layer>");
  REQUIRE(typed);
  CHECK_FALSE(invalid_utf8(typed->precision));
  REQUIRE(typed->inputs.size() == 1);
  CHECK_FALSE(invalid_utf8(typed->inputs[0].type));
  // An output is named by the layer that feeds it.
  check_refused(ir("<layer id=\"0\" name=\"\xff\" type=\"Relu\"></layer>"
                   "<layer id=\"1\" name=\"r\" type=\"Result\"></layer>",
                   R"(<edge from-layer="0" from-port="0" to-layer="1" to-port="0"/>)"),
                ErrorCode::corrupt, "xml");
}

TEST_CASE("a model's path that is not UTF-8 is refused at once") {
  check_refused(read_model("/models/\xff.gguf"), ErrorCode::invalid_input, "MODEL");
}

TEST_CASE("findings quote a file's words as UTF-8") {
  const TemporaryFolder folder;
  const auto found = code_in(folder.write(
      "a.xml", "<net><layer id=\"0\" type=\"Mine\" version=\"\xff\xfe\"></layer></net>"));
  REQUIRE(found);
  REQUIRE(found->size() == 1);
  CHECK_FALSE(invalid_utf8(found->front()));
}
