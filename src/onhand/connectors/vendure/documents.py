"""What is asked of Vendure's Admin API, word for word: every GraphQL document that this connector sends."""

from __future__ import annotations

from typing import Final

LOGIN: Final = """mutation Login($username: String!, $password: String!) {
  login(username: $username, password: $password, rememberMe: true) {
    __typename
    ... on ErrorResult { errorCode message }
  }
}"""

RIGHTS: Final = """query Rights {
  activeChannel { id code }
  me { channels { id code permissions } }
}"""

PLACES: Final = """query Places {
  me { channels { id code } }
  stockLocations { items { id name } }
}"""

_STOCK_OF_VARIANT: Final = """id sku name trackInventory outOfStockThreshold useGlobalOutOfStockThreshold
      stockLevels { id updatedAt stockLocationId stockOnHand stockAllocated }"""

STOCK: Final = f"""query Stock($options: ProductVariantListOptions!) {{
  globalSettings {{ trackInventory outOfStockThreshold }}
  stockLocations {{ items {{ id name }} }}
  productVariants(options: $options) {{
    totalItems
    items {{
      {_STOCK_OF_VARIANT}
    }}
  }}
}}"""

CHANGES: Final = """query Changes($options: ProductVariantListOptions!) {
  productVariants(options: $options) {
    totalItems
    items { stockLevels { updatedAt } }
  }
}"""

SET_STOCK: Final = f"""mutation SetStock($input: [UpdateProductVariantInput!]!) {{
  updateProductVariants(input: $input) {{
      {_STOCK_OF_VARIANT}
  }}
}}"""

ORDERS: Final = """query Orders($options: OrderListOptions!) {
  orders(options: $options) {
    items {
      id code state type createdAt updatedAt orderPlacedAt currencyCode
      subTotal subTotalWithTax shipping shippingWithTax total totalWithTax
      customer { id firstName lastName emailAddress }
      shippingAddress {
        fullName company streetLine1 streetLine2 city province postalCode countryCode phoneNumber
      }
      lines { id quantity orderPlacedQuantity unitPrice unitPriceWithTax productVariant { id sku } }
      fulfillments { id state method trackingCode lines { orderLineId quantity } }
      modifications { id createdAt }
    }
  }
}"""

ORDER: Final = """query Order($options: OrderListOptions!) {
  orders(options: $options) {
    items {
      id code state
      lines { id quantity productVariant { id sku } }
      fulfillments { id state method trackingCode lines { orderLineId quantity } }
      history(options: { filter: { type: { eq: "ORDER_CANCELLATION" } } }) { items { data } }
    }
  }
}"""

FULFIL: Final = """mutation Fulfil($input: FulfillOrderInput!) {
  addFulfillmentToOrder(input: $input) {
    __typename
    ... on Fulfillment { id state }
    ... on ErrorResult { errorCode message }
  }
}"""

MOVE: Final = """mutation Move($id: ID!, $state: String!) {
  transitionFulfillmentToState(id: $id, state: $state) {
    __typename
    ... on Fulfillment { id state }
    ... on ErrorResult { errorCode message }
    ... on FulfillmentStateTransitionError { transitionError }
  }
}"""

CANCEL: Final = """mutation Cancel($input: CancelOrderInput!) {
  cancelOrder(input: $input) {
    __typename
    ... on Order { id state }
    ... on ErrorResult { errorCode message }
    ... on OrderStateTransitionError { transitionError }
  }
}"""
