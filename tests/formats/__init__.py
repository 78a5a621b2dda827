"""Events as text, in the formats that other systems read."""
