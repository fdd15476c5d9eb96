#include "formats/hazards.h"

#include <doctest/doctest.h>

#include "support/temporary_folder.h"

using namespace strop;
using namespace strop::formats;

TEST_CASE("programs, scripts, pickles and archives are named, data is not") {
  const test::TemporaryFolder folder;
  const auto found = [&](std::string_view bytes) {
    const auto result = code_in(folder.write("file.bin", bytes));
    REQUIRE(result);
    return result->size();
  };
  CHECK(found("\x7f"
              "ELF\x02\x01") == 1);
  CHECK(found("MZ\x90") == 1);
  CHECK(found("#!/bin/sh\n") == 1);
  CHECK(found("PK\x03\x04more") == 1);
  CHECK(found("\x80\x04\x95") == 1);
  CHECK(found("GGUF\x03") == 0);
  CHECK(found("{\"a\": 1}") == 0);
  CHECK(found("") == 0);
}

TEST_CASE("a graph of the engine's own operators is data, one of a foreign set is not") {
  const test::TemporaryFolder folder;
  const auto own = folder.write(
      "a.xml", R"(<net><layer id="0" name="x" type="Parameter" version="opset1"></layer></net>)");
  CHECK(code_in(own)->empty());
  const auto foreign = folder.write(
      "b.xml", R"(<net><layer id="0" name="x" type="Mine" version="extension"></layer></net>)");
  REQUIRE(code_in(foreign)->size() == 1);
  CHECK(code_in(foreign)->front().find("extension") != std::string::npos);
}

TEST_CASE("a template that formats is fine") {
  CHECK(template_hazards("").empty());
  CHECK(
      template_hazards("{% for message in messages %}{% if loop.first and messages[0]['role'] != "
                       "'system' %}{{ '<|im_start|>system\nYou import and open things<|im_end|>' }}"
                       "{% endif %}{{'<|im_start|>' + message['role'] + '\n' + message['content'] "
                       "| trim + '<|im_end|>'}}{% endfor %}{% if add_generation_prompt %}{{ "
                       "'<|im_start|>assistant\n' }}{% endif %}{# __class__ in a comment #}")
          .empty());
  CHECK(template_hazards(
            "{%- set ns = namespace(x=false) -%}{%- macro f(a) -%}{{ a }}{%- endmacro -%}")
            .empty());
}

TEST_CASE("a template that does more is named") {
  for (const char* hazard :
       {"{{ ''.__class__ }}", "{{ messages['__class__'] }}", "{{ x | attr('mro') }}",
        "{% import 'os' as os %}", "{% include 'x' %}", "{{ cycler.next }}", "{{ self.builtins }}",
        "{% extends 'y' %}", "{{ lipsum.globals }}", "{{ open('/etc') }}"})
    CHECK_MESSAGE(!template_hazards(hazard).empty(), hazard);
  CHECK(template_hazards("{{ x").size() == 1);
}
