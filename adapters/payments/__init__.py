"""Card payments through Stripe. Vendor words and vendor types end at the edge of this package."""
