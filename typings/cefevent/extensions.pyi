from typing import TypedDict

class _Extension(TypedDict):
    full_name: str
    data_type: list[str]
    length: int
    description: str

extension_dictionary: dict[str, _Extension]
