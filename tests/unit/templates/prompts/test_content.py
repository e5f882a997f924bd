"""A content becomes exact bytes and comes back whole, in the order of its author."""

from governance.kernel.digests import canonical_json, sha256_hex
from templates.prompts.content import canonical, legible_text, restore
from tests.factories.templates import content


class TestContent:
    def test_comes_back_as_it_was_drafted(self) -> None:
        assert restore(canonical(content(), name="Hero").decode()) == content(name="Hero")

    def test_keeps_the_order_of_the_variables(self) -> None:
        properties = restore(canonical(content(), name="Hero").decode())["schema"]["properties"]
        assert list(properties) == ["object", "color", "detail"]

    def test_counts_the_order_and_the_name_as_content(self) -> None:
        turned = content()
        turned["schema"]["properties"] = dict(reversed(turned["schema"]["properties"].items()))
        digests = {
            sha256_hex(canonical(made, name=name))
            for made, name in ((content(), "Hero"), (content(), "Zero"), (turned, "Hero"))
        }
        assert len(digests) == 3

    def test_is_canonical_json(self) -> None:
        import json

        written = canonical(content(), name="Hero")
        assert canonical_json(json.loads(written)) == written


class TestLegibleText:
    def test_joins_the_variables_in_the_template_s_order(self) -> None:
        made = content(legible=["color", "object"])
        assert legible_text(made, {"object": "mug", "color": "red"}) == "red mug"

    def test_takes_the_default_of_what_was_left_out(self) -> None:
        made = content(legible=["detail"])
        made["schema"]["properties"]["detail"]["default"] = "new"
        assert legible_text(made, {}) == "new"

    def test_is_none_where_nothing_is_to_be_read(self) -> None:
        assert legible_text(content(), {"color": "red"}) is None
        assert legible_text(content(legible=["detail"]), {"detail": ""}) is None
