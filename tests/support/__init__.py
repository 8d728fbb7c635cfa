import pytest

pytest.register_assert_rewrite("tests.support.book_checks", "tests.support.rebuilt_book", "tests.support.two_books")
